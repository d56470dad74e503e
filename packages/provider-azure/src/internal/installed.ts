import manifest from "@azure/service-bus/package.json" with { type: "json" }
import type { SdkVersion } from "@queue-runtime/core"

/** The SDK as it is installed, and the range that this package is built for and tested with. */
export const installed: SdkVersion.Sdk = {
  package: manifest.name,
  version: manifest.version,
  minimum: "7.9.5",
  below: "8.0.0"
}
