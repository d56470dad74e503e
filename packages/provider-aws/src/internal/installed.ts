import manifest from "@aws-sdk/client-sqs/package.json" with { type: "json" }
import type { SdkVersion } from "@queue-runtime/core"

/** The SDK as it is installed, and the range that this package is built for and tested with. */
export const installed: SdkVersion.Sdk = {
  package: manifest.name,
  version: manifest.version,
  minimum: "3.1169.0",
  below: "4.0.0"
}
