/**
 * What a packed package must be, told from its files alone.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { posix } from "node:path"
import * as Identity from "./identity.ts"

/**
 * A packed package: its files by path, `package.json` and not `package/package.json`, and the bytes of
 * the tarball.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tarball {
  readonly files: ReadonlyMap<string, string>
  readonly packedBytes: number
}

const Dependencies = Schema.Record(Schema.String, Schema.String)

const Target = Schema.Union([
  Schema.Null,
  Schema.String,
  Schema.Record(Schema.String, Schema.String)
])

/**
 * What is read of its manifest.
 *
 * @category models
 * @since 0.1.0
 */
export const Manifest = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  license: Schema.String,
  keywords: Schema.optionalKey(Schema.Array(Schema.String)),
  homepage: Schema.optionalKey(Schema.String),
  bugs: Schema.optionalKey(Schema.Struct({ url: Schema.String })),
  repository: Schema.optionalKey(Schema.Struct({ url: Schema.String, directory: Schema.String })),
  bin: Schema.optionalKey(Dependencies),
  exports: Schema.Record(Schema.String, Target),
  publishConfig: Schema.optionalKey(
    Schema.Struct({ provenance: Schema.optionalKey(Schema.Boolean) })
  ),
  scripts: Schema.optionalKey(Dependencies),
  dependencies: Schema.optionalKey(Dependencies),
  devDependencies: Schema.optionalKey(Dependencies),
  peerDependencies: Schema.optionalKey(Dependencies),
  optionalDependencies: Schema.optionalKey(Dependencies)
})

type Manifest = typeof Manifest.Type

/**
 * The manifest of a packed package.
 *
 * @category reading
 * @since 0.1.0
 */
export const manifestOf = ({ files }: Tarball): Manifest =>
  Schema.decodeSync(Schema.fromJsonString(Manifest))(files.get("package.json") ?? "")

/** Room for twice what the largest one has today; a picture or a fixture packed by mistake is more. */
const packedBytesMax = 1_000_000

/** Of the tarball, whatever `files` says. */
const always = ["package.json", "README.md", "LICENSE", "CHANGELOG.md"]

/** Nothing of ours runs when it is installed. */
const installScripts = new Set(["preinstall", "install", "postinstall", "prepare"])

const targetsOf = ({ bin = {}, exports }: Manifest): ReadonlyArray<string> => [
  ...Object.values(bin),
  ...Object.values(exports).flatMap((target) =>
    target === null ? [] : typeof target === "string" ? [target] : Object.values(target)
  )
]

const fileProblems = (
  { files, packedBytes }: Tarball,
  manifest: Manifest
): ReadonlyArray<string> => [
  ...always.filter((path) => !files.has(path)).map((path) => `${path} is missing`),
  ...targetsOf(manifest)
    .map((target) => posix.normalize(target))
    .filter((path) => !files.has(path))
    .map((path) => `package.json names ${path}, which is missing`),
  ...Object.values(manifest.bin ?? {})
    .filter((target) => files.get(posix.normalize(target))?.startsWith("#!") === false)
    .map((target) => `${target} is a command without #!`),
  ...[...files.keys()]
    .filter((path) =>
      /(?:^|\/)(?:test|node_modules|coverage)\/|\.(?:tgz|tsbuildinfo|log)$/u.test(path)
    )
    .map((path) => `${path} does not belong into it`),
  ...(packedBytes > packedBytesMax ? [`it has ${packedBytes} bytes packed`] : [])
]

const SourceMap = Schema.fromJsonString(Schema.Struct({ sources: Schema.Array(Schema.String) }))

/** A map is of use when the sources it names are packed. */
const mapProblems = ({ files }: Tarball): ReadonlyArray<string> =>
  [...files].flatMap(([path, text]) => {
    if (/^dist\/.*\.(?:js|d\.ts)$/u.test(path) && text.includes("//# sourceMappingURL=")) {
      return files.has(`${path}.map`) ? [] : [`${path}.map is missing`]
    }
    if (!path.endsWith(".map")) return []
    return Schema.decodeSync(SourceMap)(text)
      .sources.map((source) => posix.join(posix.dirname(path), source))
      .filter((source) => !files.has(source))
      .map((source) => `${path} names ${source}, which is missing`)
  })

const kinds = [
  "dependencies",
  "devDependencies",
  "peerDependencies",
  "optionalDependencies"
] as const

const isOurs = (name: string): boolean =>
  name === "queue-runtime" || name.startsWith("@queue-runtime/")

const rangeProblems = (manifest: Manifest): ReadonlyArray<string> =>
  kinds.flatMap((kind) =>
    Object.entries(manifest[kind] ?? {}).flatMap(([name, range]) => {
      if (/^(?:workspace|catalog|file|link):/u.test(range)) {
        return [`${kind} has ${name} as ${range}`]
      }
      return isOurs(name) && range !== `^${manifest.version}`
        ? [`${kind} has ${name} as ${range}, not ^${manifest.version}`]
        : []
    })
  )

const fieldProblems = (manifest: Manifest): ReadonlyArray<string> => {
  const { bugs, homepage, keywords, license, publishConfig, repository, scripts } = manifest
  const checks: ReadonlyArray<readonly [boolean, string]> = [
    [
      !JSON.stringify(manifest.exports).includes("@queue-runtime/source"),
      "it has our own condition"
    ],
    [license === "Apache-2.0", `its license is ${license}`],
    [(keywords ?? []).length > 0, "keywords is missing"],
    [homepage !== undefined, "homepage is missing"],
    [bugs !== undefined, "bugs is missing"],
    [repository !== undefined, "repository is missing"],
    [publishConfig?.provenance === true, "publishConfig.provenance is not true"],
    [
      !Object.keys(scripts ?? {}).some((name) => installScripts.has(name)),
      "it runs a script when it is installed"
    ]
  ]
  return checks.filter(([isMet]) => !isMet).map(([, problem]) => problem)
}

const linkProblems = ({ files }: Tarball): ReadonlyArray<string> =>
  Identity.relativeLinks(files.get("README.md") ?? "")
    .map((target) => posix.normalize(target.split("#")[0] ?? ""))
    .filter((path) => !files.has(path))
    .map((path) => `README.md links to ${path}, which is not in it`)

/**
 * What is wrong with a packed package. `folders` are places of the machine that packed it, which no
 * file may name.
 *
 * @category checking
 * @since 0.1.0
 */
export const problems = (
  tarball: Tarball,
  version: string,
  folders: ReadonlyArray<string> = []
): ReadonlyArray<string> => {
  const manifest = manifestOf(tarball)
  const named = [...tarball.files].filter(([, text]) => folders.some((one) => text.includes(one)))
  return [
    ...(manifest.version === version ? [] : [`its version is ${manifest.version}`]),
    ...fieldProblems(manifest),
    ...fileProblems(tarball, manifest),
    ...mapProblems(tarball),
    ...rangeProblems(manifest),
    ...linkProblems(tarball),
    ...named.map(([path]) => `${path} names a folder of the machine that packed it`)
  ].map((problem) => `${manifest.name}: ${problem}`)
}
