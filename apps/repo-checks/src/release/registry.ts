/**
 * A registry on this machine that has our tarballs and sends for the rest to the one that is
 * configured, so that a package manager resolves our ranges as it will once they are published.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer, type RequestListener } from "node:http"
import { basename } from "node:path"
import * as Tarball from "./tarball.ts"

/**
 * A tarball on disk, and what is in it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Packed extends Tarball.Tarball {
  readonly path: string
}

/**
 * A registry that listens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Registry {
  readonly url: string
  readonly close: () => void
}

/** Package managers hold back what is younger than a day or so. */
const published = "2026-01-01T00:00:00.000Z"

const packument = (url: string, packed: Packed) => {
  const bytes = readFileSync(packed.path)
  const manifest: unknown = JSON.parse(packed.files.get("package.json") ?? "")
  const { name, version } = Tarball.manifestOf(packed)
  const dist = {
    tarball: `${url}/${name}/-/${basename(packed.path)}`,
    shasum: createHash("sha1").update(bytes).digest("hex"),
    integrity: `sha512-${createHash("sha512").update(bytes).digest("base64")}`
  }
  return JSON.stringify({
    name,
    "dist-tags": { latest: version },
    versions: { [version]: { ...Object(manifest), dist } },
    time: { created: published, modified: published, [version]: published }
  })
}

/**
 * Starts it.
 *
 * @category running
 * @since 0.1.0
 */
export const start = (all: ReadonlyArray<Packed>, upstream: string): Promise<Registry> => {
  const byName = new Map(all.map((packed) => [Tarball.manifestOf(packed).name, packed]))
  const byFile = new Map(all.map((packed) => [basename(packed.path), packed]))
  let url = ""
  const answer: RequestListener = (request, response) => {
    const path = decodeURIComponent(request.url ?? "").replace(/^\//u, "")
    const packed = byName.get(path)
    const file = byFile.get(path.split("/-/")[1] ?? "")
    if (packed !== undefined) {
      response.setHeader("content-type", "application/json")
      response.end(packument(url, packed))
    } else if (file !== undefined) {
      response.setHeader("content-type", "application/octet-stream")
      response.end(readFileSync(file.path))
    } else {
      response.writeHead(302, { location: new URL(request.url ?? "", upstream).href })
      response.end()
    }
  }
  const server = createServer(answer)
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
      resolve({ url, close: () => server.close() })
    })
  })
}
