/**
 * The `package.json` files of the workspace and what they may say.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Repository from "./repository.ts"

const Dependencies = Schema.Record(Schema.String, Schema.String)

/**
 * What the checks read of a `package.json`.
 *
 * @category models
 * @since 0.1.0
 */
export const Content = Schema.Struct({
  name: Schema.String,
  description: Schema.optionalKey(Schema.String),
  license: Schema.optionalKey(Schema.String),
  private: Schema.optionalKey(Schema.Boolean),
  files: Schema.optionalKey(Schema.Array(Schema.String)),
  sideEffects: Schema.optionalKey(Schema.Unknown),
  exports: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  publishConfig: Schema.optionalKey(
    Schema.Struct({ exports: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)) })
  ),
  dependencies: Schema.optionalKey(Dependencies),
  devDependencies: Schema.optionalKey(Dependencies),
  peerDependencies: Schema.optionalKey(Dependencies),
  optionalDependencies: Schema.optionalKey(Dependencies)
})

/**
 * One package or app: its folder, what its `package.json` says and the tags of its `turbo.json`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Manifest {
  readonly folder: string
  readonly content: typeof Content.Type
  readonly tags: ReadonlyArray<string>
}

const Tagged = Schema.fromJsonString(
  Schema.Struct({ tags: Schema.optionalKey(Schema.Array(Schema.String)) })
)

const decodeContent = Schema.decodeSync(Schema.fromJsonString(Content))
const decodeTagged = Schema.decodeSync(Tagged)

/**
 * The manifests of the workspace, packages first.
 *
 * @category reading
 * @since 0.1.0
 */
export const all = (): ReadonlyArray<Manifest> =>
  Repository.workspaces().map((folder) => ({
    folder,
    content: decodeContent(Repository.read(`${folder}/package.json`).text),
    tags: decodeTagged(Repository.read(`${folder}/turbo.json`).text).tags ?? []
  }))

/**
 * A package or app without its scope: `core`.
 *
 * @category reading
 * @since 0.1.0
 */
export const shortName = (name: string): string => name.replace("@queue-runtime/", "")

const isOurs = (name: string): boolean => name.startsWith("@queue-runtime/")

/**
 * What a manifest names of the workspace: in `dependencies`, or in `devDependencies`.
 *
 * @category reading
 * @since 0.1.0
 */
export const siblings = (
  { content }: Manifest,
  kind: "dependencies" | "devDependencies" | "peerDependencies" | "optionalDependencies"
): ReadonlyArray<string> =>
  Object.keys(content[kind] ?? {})
    .filter(isOurs)
    .map(shortName)
    .toSorted()

interface Allowed {
  readonly runtime: ReadonlyArray<string>
  readonly development: ReadonlyArray<string>
}

/** DESIGN §1: what each kind of package may name, by its tag. */
const arrows: Readonly<Record<string, Allowed>> = {
  port: { runtime: [], development: [] },
  proof: { runtime: ["core"], development: [] },
  tool: { runtime: [], development: [] },
  provider: {
    runtime: ["core"],
    development: ["contract-tests", "provider-memory", "sqs-emulator", "servicebus-emulator"]
  },
  policy: { runtime: ["core"], development: ["contract-tests", "provider-memory"] },
  front: {
    runtime: ["core", "resilience", "sessions"],
    development: ["contract-tests", "provider-memory"]
  },
  simulation: {
    runtime: ["core", "provider-memory", "sessions"],
    development: ["contract-tests", "crypto", "resilience"]
  }
}

const arrowProblems = (manifest: Manifest): ReadonlyArray<string> => {
  const tag = manifest.tags.find((one) => Object.hasOwn(arrows, one))
  const allowed = tag === undefined ? undefined : arrows[tag]
  if (allowed === undefined)
    return [
      "turbo.json has none of the tags port, proof, tool, provider, policy, front, simulation"
    ]
  const beyond = (kind: Parameters<typeof siblings>[1], names: ReadonlyArray<string>) =>
    siblings(manifest, kind)
      .filter((name) => !names.includes(name))
      .map((name) => `a ${tag} may not have ${name} in ${kind}`)
  return [
    ...beyond("dependencies", allowed.runtime),
    ...beyond("optionalDependencies", []),
    ...beyond("peerDependencies", []),
    ...beyond("devDependencies", [...allowed.runtime, ...allowed.development])
  ]
}

const effectProblems = ({ content }: Manifest): ReadonlyArray<string> => {
  const isPeer = content.peerDependencies?.["effect"] !== undefined
  const isBundled = content.dependencies?.["effect"] !== undefined
  return [
    ...(isPeer ? [] : ["effect is missing from peerDependencies"]),
    ...(isBundled ? ["effect stands in dependencies: two copies would not know each other"] : [])
  ]
}

const hidesInternal = (exports: Readonly<Record<string, unknown>> | undefined): boolean =>
  exports?.["./internal/*"] === null

const shapeProblems = ({ content }: Manifest): ReadonlyArray<string> => {
  const checks: ReadonlyArray<readonly [boolean, string]> = [
    [hidesInternal(content.exports), 'exports lacks "./internal/*": null'],
    [
      content.publishConfig?.exports === undefined || hidesInternal(content.publishConfig.exports),
      'publishConfig.exports lacks "./internal/*": null'
    ],
    [content.sideEffects === false, "sideEffects is not false"],
    [content.license === "Apache-2.0", "license is not Apache-2.0"],
    [content.files?.includes("dist") === true, "files lacks dist"],
    [content.files?.includes("src") === true, "files lacks src, which the source maps name"],
    [(content.description ?? "") !== "", "description is missing"]
  ]
  return checks.filter(([isMet]) => !isMet).map(([, problem]) => problem)
}

/**
 * What is wrong with the manifest of a package; nothing with that of an app, which nobody imports.
 *
 * @category checking
 * @since 0.1.0
 */
export const problems = (manifest: Manifest): ReadonlyArray<string> =>
  manifest.folder.startsWith("packages/")
    ? [...arrowProblems(manifest), ...effectProblems(manifest), ...shapeProblems(manifest)].map(
        (problem) => `${manifest.folder}/package.json: ${problem}`
      )
    : []
