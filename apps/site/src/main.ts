/**
 * The program behind `pnpm --filter @queue-runtime/site build`: writes the pages to `dist/content` and
 * has VitePress make `dist/site` of them, which any server of files can serve.
 *
 * @since 0.1.0
 */
import { fileURLToPath } from "node:url"
import { build } from "vitepress"
import * as Api from "./Api.ts"
import * as Navigation from "./Navigation.ts"
import * as Pages from "./Pages.ts"
import * as Repository from "./Repository.ts"

const content = "content"

const modules = Api.modules()
const pages = Pages.all()
const written = Pages.render(pages, modules)
if (written.problems.length > 0) throw new Error(written.problems.join("\n"))

Repository.clear(content)
for (const [place, text] of written.pages) Repository.write(`${content}/${place}.md`, text)
for (const [place, from] of written.assets) Repository.copy(from, `${content}/${place}`)
for (const [place, text] of await Api.render(modules)) {
  Repository.write(`${content}/${place}.md`, text)
}
Repository.write(`${content}/api/index.md`, Api.index(modules))
Repository.write(`${content}/adr/index.md`, Navigation.decisions(pages))
Repository.write("navigation.json", JSON.stringify(Navigation.make(pages, modules)))

// A link between pages that leads nowhere fails here.
await build(fileURLToPath(new URL("../", import.meta.url)))
