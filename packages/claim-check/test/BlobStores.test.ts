import { describe, it, layer } from "@effect/vitest"
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3"
import { ContainerClient } from "@azure/storage-blob"
import { BlobStoreContract, Time } from "@queue-runtime/contract-tests"
import { Context, Effect, Layer, Redacted } from "effect"
import { S3BlobStore } from "../src/aws-s3.ts"
import { AzureBlobStore } from "../src/azure-blob.ts"
import { FileBlobStore, MemoryBlobStore } from "../src/index.ts"
import { azurite, folder, s3rver } from "./support/server.ts"

describe("MemoryBlobStore", () => {
  BlobStoreContract.suite(it, {
    name: "memory",
    time: Time.virtual,
    open: Effect.map(MemoryBlobStore.make(), (store) => ({ connect: Effect.succeed(store) }))
  })
})

describe("FileBlobStore", () => {
  BlobStoreContract.suite(it, {
    name: "file",
    time: Time.virtual,
    open: Effect.map(folder, (directory) => ({ connect: FileBlobStore.make({ directory }) }))
  })
})

let places = 0

/** A bucket or container that nobody used. */
const newPlace = () => `place-${places++}`

class S3 extends Context.Service<S3, string>()(
  "@queue-runtime/claim-check/test/BlobStores.test/S3"
) {
  static readonly layer = Layer.effect(S3, s3rver)
}

const s3Client = (endpoint: string) => ({
  endpoint,
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" }
})

describe("S3BlobStore", () => {
  layer(S3.layer, { excludeTestServices: true })((live) => {
    BlobStoreContract.suite(live, {
      name: "aws-s3",
      time: Time.live,
      skipped: { "BLOB-5": "s3rver writes where readers look; S3 writes an object as a whole" },
      open: Effect.gen(function* () {
        const client = s3Client(yield* S3)
        const bucket = newPlace()
        const own = new S3Client(client)
        yield* Effect.promise(() => own.send(new CreateBucketCommand({ Bucket: bucket })))
        own.destroy()
        return { connect: S3BlobStore.make({ bucket, client }) }
      })
    })
  })
})

class Azure extends Context.Service<Azure, string>()(
  "@queue-runtime/claim-check/test/BlobStores.test/Azure"
) {
  static readonly layer = Layer.effect(Azure, azurite)
}

describe("AzureBlobStore", () => {
  layer(Azure.layer, { excludeTestServices: true })((live) => {
    BlobStoreContract.suite(live, {
      name: "azure-blob",
      time: Time.live,
      open: Effect.gen(function* () {
        const connectionString = yield* Azure
        const container = newPlace()
        yield* Effect.promise(() => new ContainerClient(connectionString, container).create())
        const account = { connectionString: Redacted.make(connectionString) }
        return { connect: AzureBlobStore.make({ container, account }) }
      })
    })
  })
})
