/**
 * The reference of every public module, made by TypeDoc from the doc comments: a page a module.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { join } from "node:path"
import { Application } from "typedoc"
import type { PluginOptions } from "typedoc-plugin-markdown"
import * as Markdown from "./Markdown.ts"
import * as Repository from "./Repository.ts"

/**
 * A module that users import.
 *
 * @category models
 * @since 0.1.0
 */
export interface Module {
  readonly package: string
  readonly name: string
  /** What it is imported from: `@queue-runtime/crypto/aws-kms`. */
  readonly entry: string
  /** `packages/core/src/Message.ts`. */
  readonly source: string
  /** Where its page is put, without `.md`. */
  readonly place: string
  /** What stands at the head of the file. */
  readonly head: string
}

const Manifest = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.String,
    exports: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
  })
)

const Entry = Schema.Struct({ "@queue-runtime/source": Schema.String })

const isEntry = Schema.is(Entry)

/** The sources of the entry points, by what they are imported from. */
const entriesOf = (folder: string): ReadonlyArray<readonly [entry: string, source: string]> => {
  const { exports = {}, name } = Schema.decodeSync(Manifest)(
    Repository.read(`${folder}/package.json`)
  )
  return Object.entries(exports).flatMap(([key, entry]) =>
    isEntry(entry) ? [[join(name, key), join(folder, entry["@queue-runtime/source"])] as const] : []
  )
}

/** `export * as Message from "./Message.ts"`, and `export * from` in an entry of a single module. */
const exported = /^export \*(?: as \w+)? from "\.\/(\w+)\.ts"/gmu

/** The first doc comment of a file is about the whole of it. */
const headOf = (text: string): string => {
  const [, comment = ""] = /^\/\*\*(.*?)\*\//su.exec(text) ?? []
  return comment
    .replaceAll(/^\s*\* ?/gmu, "")
    .replaceAll(/^@\w+.*$/gmu, "")
    .replaceAll(/\{@link (\w+)\}/gu, "`$1`")
    .trim()
}

/**
 * The public modules of the packages, as the entry points hand them out.
 *
 * @category reading
 * @since 0.1.0
 */
export const modules = (): ReadonlyArray<Module> =>
  Repository.names("packages").flatMap((name) => {
    const folder = `packages/${name}`
    if (Repository.kindOf(`${folder}/package.json`) === undefined) return []
    const found = new Map(
      entriesOf(folder)
        .filter(([, source]) => Repository.kindOf(source) === "file")
        .flatMap(([entry, source]) =>
          [...Repository.read(source).matchAll(exported)].map(
            ([, module = ""]) => [module, entry] as const
          )
        )
    )
    return [...found]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([module, entry]): Module => {
        const source = `${folder}/src/${module}.ts`
        const place = `api/${name}/${module}`
        const head = headOf(Repository.read(source))
        return { package: name, name: module, entry, source, place, head }
      })
  })

const temporary = "typedoc"

/** Says nothing to who reads the reference. */
const untold: Array<`@${string}`> = ["@since", "@internal"]

const options = (sources: ReadonlyArray<string>) => {
  const markdown: Partial<PluginOptions> = {
    hidePageHeader: true,
    hideBreadcrumbs: true,
    useCodeBlocks: true,
    // What it counts for the second heading of a name is not what VitePress counts.
    useCustomAnchors: true,
    customAnchorsFormat: "curlyBrace",
    parametersFormat: "table"
  }
  return {
    ...markdown,
    entryPoints: sources.map(Repository.absolute),
    tsconfig: join(Repository.out, temporary, "tsconfig.json"),
    outputs: [{ name: "markdown", path: join(Repository.out, temporary, "pages") }],
    plugin: ["typedoc-plugin-markdown"],
    router: "module",
    readme: "none",
    // What Effect's classes have besides is in Effect's own reference.
    excludeExternals: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeTags: untold,
    disableSources: true,
    disableGit: true,
    // The compiler of the repository has checked them.
    skipErrorChecking: true,
    logLevel: "Error" as const
  }
}

const tsconfig = {
  extends: "../../../../tsconfig.base.json",
  compilerOptions: { noEmit: true, plugins: [] },
  files: []
}

/** The page as TypeDoc left it, with links to where pages are put and the head of the file on top. */
const finished = ({ entry, head, name }: Module, text: string): string => {
  const body = text
    .replace(/^# .*$/mu, "")
    .replaceAll(/<a id="[^"]*"><\/a> ?/gu, "")
    .replaceAll(/\]\(\.\.\/\.\.\/([\w-]+)\/src\/(\w+\.md)/gu, "](../$1/$2")
    .trim()
  const from = `\`import { ${name} } from "${entry}"\``
  return `# ${name} {#section-0}\n\n${from}\n\n${head}\n\n${Markdown.withAnchors(body)}\n`
}

/**
 * The pages of the modules, by their place.
 *
 * @category rendering
 * @since 0.1.0
 */
export const render = async (all: ReadonlyArray<Module>): Promise<ReadonlyMap<string, string>> => {
  Repository.clear(temporary)
  Repository.write(`${temporary}/tsconfig.json`, JSON.stringify(tsconfig))
  const app = await Application.bootstrapWithPlugins(options(all.map(({ source }) => source)))
  const project = await app.convert()
  if (project === undefined || app.logger.hasErrors()) {
    throw new Error("TypeDoc could not read the sources: what it said stands above")
  }
  await app.generateOutputs(project)
  return new Map(
    all.map((module) => {
      const made = `${temporary}/pages/${module.package}/src/${module.name}.md`
      return [module.place, finished(module, Repository.readMade(made))]
    })
  )
}

/** The first sentence of a module's head, in one line. */
const sentence = ({ head }: Module): string =>
  (/^.*?\.(?=\s|$)/su.exec(head)?.[0] ?? head).replaceAll(/\s+/gu, " ")

/**
 * The index: the packages with their modules, each with its first sentence.
 *
 * @category rendering
 * @since 0.1.0
 */
export const index = (all: ReadonlyArray<Module>): string => {
  const packages = [...new Set(all.map((module) => module.package))]
  const sections = packages.map((name) => {
    const rows = all
      .filter((module) => module.package === name)
      .map((module) => `| [${module.name}](./${name}/${module.name}.md) | ${sentence(module)} |`)
    return `## @queue-runtime/${name}\n\n| module | what it is |\n|---|---|\n${rows.join("\n")}\n`
  })
  return `# Reference\n\nEvery public module, from its doc comments. The examples are compiled and run by the tests.\n\n${sections.join("\n")}`
}
