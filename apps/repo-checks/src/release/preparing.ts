/**
 * What `pnpm release:prepare` writes.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Identity from "./identity.ts"
import * as Repository from "../repository.ts"

const Address = Schema.Union([Schema.String, Schema.Struct({ url: Schema.String })])

const Root = Schema.fromJsonString(Schema.Struct({ repository: Schema.optionalKey(Address) }))

const Public = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.String,
    version: Schema.String,
    private: Schema.optionalKey(Schema.Boolean),
    files: Schema.optionalKey(Schema.Array(Schema.String))
  })
)

const decodeRoot = Schema.decodeSync(Root)
const decodePublic = Schema.decodeSync(Public)
const decodeRecord = Schema.decodeSync(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
)

/**
 * The address of the repository as the root's `package.json` has it.
 *
 * @category reading
 * @since 0.1.0
 */
export const repositoryOf = (manifest: string): string | undefined => {
  const { repository } = decodeRoot(manifest)
  return typeof repository === "string" ? repository : repository?.url
}

/**
 * The folders of what is published.
 *
 * @category reading
 * @since 0.1.0
 */
export const publicFolders = (): ReadonlyArray<string> =>
  Repository.workspaces().filter(
    (folder) => decodePublic(Repository.read(`${folder}/package.json`).text).private !== true
  )

/** The fields stand behind the license, as in the manifests of others. */
const withFields = (manifest: string, fields: Readonly<Record<string, unknown>>): string => {
  const entries = Object.entries(decodeRecord(manifest)).filter(([key]) => !(key in fields))
  const at = entries.findIndex(([key]) => key === "license")
  const all = [...entries.slice(0, at), ...Object.entries(fields), ...entries.slice(at)]
  return `${JSON.stringify(Object.fromEntries(all), undefined, 2)}\n`
}

const ofFolder = (repository: string, folder: string): ReadonlyArray<Repository.Source> => {
  const place = { repository, folder }
  const manifest = Repository.read(`${folder}/package.json`)
  const { files = [], name, version } = decodePublic(manifest.text)
  const readme = Repository.readOrEmpty(`${folder}/README.md`)
  const isPacked = (path: string): boolean =>
    files.some((one) => path === one || path.startsWith(`${one}/`))
  return [
    { path: manifest.path, text: withFields(manifest.text, Identity.fields(place)) },
    ...(readme.text === ""
      ? []
      : [
          {
            path: readme.path,
            text: Identity.absoluteLinks(readme.text, place, `${name}@${version}`, isPacked)
          }
        ])
  ]
}

/**
 * Every file as it is to be, or why nothing can be prepared.
 *
 * @category rendering
 * @since 0.1.0
 */
export const prepare = (
  repository: string | undefined
): Result.Result<ReadonlyArray<Repository.Source>, string> => {
  if (repository === undefined) {
    return Result.fail(
      'no repository is named: set "repository" in the root\'s package.json, the one place for it'
    )
  }
  const address = Identity.webAddress(repository)
  return address === undefined
    ? Result.fail(`"${repository}" is no address like https://host/owner/name`)
    : Result.succeed(publicFolders().flatMap((folder) => ofFolder(address, folder)))
}
