/**
 * The program behind `pnpm --filter queue-runtime codegen`: renews `docs/configuration.md` and
 * `docs/configuration.schema.json`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import * as ConfigurationDocs from "./ConfigurationDocs.ts"
import * as Sections from "./Sections.ts"

const docs = new URL("../../../docs/", import.meta.url)

const settings = await Effect.runPromise(Sections.all)

writeFileSync(new URL("configuration.md", docs), ConfigurationDocs.markdown(settings))
writeFileSync(
  new URL("configuration.schema.json", docs),
  ConfigurationDocs.jsonSchemaText(settings)
)
