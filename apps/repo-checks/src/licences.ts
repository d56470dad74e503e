/**
 * What our packages bring along when they are installed, and under which licences.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"
import * as Repository from "./repository.ts"

const Licence = Schema.Union([
  Schema.Struct({ expression: Schema.String }),
  Schema.Struct({
    license: Schema.Union([
      Schema.Struct({ id: Schema.String }),
      Schema.Struct({ name: Schema.String })
    ])
  })
])

/**
 * A bill of materials, as far as it is read here (CycloneDX).
 *
 * @category models
 * @since 0.1.0
 */
export const Bill = Schema.Struct({
  components: Schema.Array(
    Schema.Struct({
      group: Schema.optionalKey(Schema.String),
      name: Schema.String,
      version: Schema.String,
      licenses: Schema.optionalKey(Schema.Array(Licence))
    })
  )
})

/**
 * One package that comes along.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dependency {
  readonly name: string
  /** As SPDX has it; empty where the package says none. */
  readonly licence: string
}

/**
 * The licences whose duties are met by passing on the text, which npm does: none asks for more of who
 * uses the packages.
 *
 * @category checking
 * @since 0.1.0
 */
export const allowed: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "ISC",
  "MIT"
])

const decodeBill = Schema.decodeSync(Schema.fromJsonString(Bill))

const licenceOf = (licence: typeof Licence.Type): string => {
  if ("expression" in licence) return licence.expression
  return "id" in licence.license ? licence.license.id : licence.license.name
}

const isOurs = (name: string): boolean =>
  name === "queue-runtime" || name.startsWith("@queue-runtime/")

/**
 * What a bill lists, ours aside, each name and licence once and sorted.
 *
 * @category reading
 * @since 0.1.0
 */
export const dependencies = (bill: string): ReadonlyArray<Dependency> => {
  const all = decodeBill(bill).components.map(({ group, licenses = [], name }) => ({
    name: group === undefined ? name : `${group}/${name}`,
    licence: licenses.map(licenceOf).join(" AND ")
  }))
  const byKey = new Map(
    all.filter(({ name }) => !isOurs(name)).map((one) => [`${one.name} ${one.licence}`, one])
  )
  return [...byKey.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** `MIT OR GPL-2.0` leaves the choice, `MIT AND ISC` asks for both. */
const isAllowed = (licence: string): boolean =>
  licence
    .replaceAll(/[()]/gu, "")
    .split(" AND ")
    .every((part) => part.split(" OR ").some((one) => allowed.has(one)))

/**
 * Those under a licence that is not allowed, or under none.
 *
 * @category checking
 * @since 0.1.0
 */
export const problems = (all: ReadonlyArray<Dependency>): ReadonlyArray<string> =>
  all
    .filter(({ licence }) => !isAllowed(licence))
    .map(({ licence, name }) => `${name}: ${licence === "" ? "no licence" : licence}`)

/**
 * The bill of what is published, from the lockfile and what is installed; no network is asked.
 *
 * @category reading
 * @since 0.1.0
 */
export const bill = (): string => {
  const filters = ["--filter", "./packages/*", "--filter", "queue-runtime"]
  const { error, status, stderr, stdout } = spawnSync(
    Repository.absolute("node_modules/.bin/pnpm"),
    [...filters, "sbom", "--sbom-format", "cyclonedx", "--prod"],
    { cwd: Repository.root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }
  )
  if (status !== 0) throw new Error(`pnpm sbom ended with ${error ?? status}: ${stderr}`)
  return stdout
}

/**
 * The page that lists them.
 *
 * @category rendering
 * @since 0.1.0
 */
export const pagePath = "docs/dependencies.md"

/**
 * What stands on the page.
 *
 * @category rendering
 * @since 0.1.0
 */
export const page = (all: ReadonlyArray<Dependency>): string =>
  [
    "# What comes along",
    "",
    "Made by `pnpm codegen`. The packages that an installation of all of ours brings, without peers (`effect`, `vitest`, the SDKs of key services and stores), which are the application's own. A test allows no other licence than " +
      `${[...allowed].join(", ")}. [SECURITY.md](../SECURITY.md) says how they are watched.`,
    "",
    "| package | licence |",
    "|---|---|",
    ...all.map(({ licence, name }) => `| \`${name}\` | ${licence} |`),
    ""
  ].join("\n")
