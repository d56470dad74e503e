/** All that imports the SDK's code. Nothing else may, but its types. */
export * as resolving from "./resolving.ts"
export * as sdk from "./sdk.ts"
export * as sqs from "./sqs.ts"
export * as transport from "./transport.ts"
