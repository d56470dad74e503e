/** A value of each setting that is right, and one that is wrong. */
export interface Sample {
  /** As a file has it. */
  readonly file: unknown
  /** As the variable has it, where that is written in another way. */
  readonly text?: string
  /** What is read, where it is not what the file says. */
  readonly want?: unknown
  readonly bad: unknown
  readonly badText?: string
  /** What else has to be set. */
  readonly beside?: Readonly<Record<string, unknown>>
  /** Where it is read, if not at its path. */
  readonly at?: string
  /** Whether who uses it checks it: then a wrong one is named by its variable. */
  readonly isCheckedLater?: boolean
}

const seconds = (count: number, bad = "-1 seconds"): Sample => ({
  file: `${count} seconds`,
  text: String(count),
  bad,
  badText: "soon"
})

const millis = (count: number): Sample => ({
  file: `${count} millis`,
  text: String(count),
  bad: "-1 millis",
  badText: "1 second"
})

const number = (file: number, bad: unknown = 0): Sample => ({ file, bad })

const word = (file: string): Sample => ({ file, bad: "sometimes" })

const text = (file: string, bad: unknown = ""): Sample => ({ file, bad })

const yes: Sample = { file: true, bad: "maybe" }

const written = (file: string, bad: string = "-1 seconds"): Sample => ({ file, bad })

const within = (prefix: string, all: Readonly<Record<string, Sample>>) =>
  Object.fromEntries(Object.entries(all).map(([key, sample]) => [`${prefix}.${key}`, sample]))

const beside = (
  fields: Readonly<Record<string, unknown>>,
  all: Readonly<Record<string, Sample>>
): Readonly<Record<string, Sample>> =>
  Object.fromEntries(
    Object.entries(all).map(([key, sample]) => [
      key,
      { ...sample, beside: { ...fields, ...sample.beside } }
    ])
  )

const key = (id: string): string => `${id}:${Buffer.alloc(32, id).toString("base64")}`

const sealed = (all: Readonly<Record<string, Sample>>) =>
  Object.fromEntries(
    Object.entries(all).map(([name, sample]) => [
      `sealing.${name}`,
      { isCheckedLater: true, ...sample, beside: { "sealing.keys": key("k1"), ...sample.beside } }
    ])
  )

const awsQueue: Readonly<Record<string, Sample>> = {
  fifo: yes,
  visibilityTimeout: written("2 minutes", "13 hours"),
  deliveriesMax: number(7),
  messageSizeMax: number(2_048, 1),
  expired: { ...word("drop") },
  sendOrder: word("batch"),
  bodyEncoding: word("base64"),
  deduplicationScope: word("messageGroup"),
  strict: yes,
  pollersMax: number(3),
  groupsMax: number(8)
}

const target: Readonly<Record<string, Sample>> = {
  url: text("https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "orders"),
  arn: text("arn:aws:sqs:eu-west-1:123456789012:orders", "arn:aws:sns:eu-west-1:1:x"),
  name: text("acme-orders", "acme orders")
}

const azureQueue: Readonly<Record<string, Sample>> = {
  sessions: yes,
  deliveriesMax: number(7),
  lockDuration: written("2 minutes", "1 hour"),
  messageSizeMax: number(2_048, 1),
  sendSizeMax: number(2_048, 1),
  deduplicationWindow: written("1 minute")
}

const azurePlace = { "azure.namespace": "acme.servicebus.windows.net" }

const connectionString =
  "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=name;SharedAccessKey=a2V5"

const credentials = (root: string, tag: string, more: Readonly<Record<string, unknown>> = {}) => ({
  [`${root}.credentials._tag`]: tag,
  ...Object.fromEntries(
    Object.entries(more).map(([name, value]) => [`${root}.credentials.${name}`, value])
  )
})

const as = (sample: Sample, more: Readonly<Record<string, unknown>>): Sample => ({
  ...sample,
  beside: more
})

/** By the path of the setting. */
export const samples: Readonly<Record<string, Sample>> = {
  provider: { ...text("memory", "rabbit"), isCheckedLater: true },
  queue: text("invoices", "-invoices"),
  deadLetterQueue: text("invoices-dlq", "in voices"),
  wait: seconds(7),
  lockDuration: seconds(90),
  ...within("retry", {
    strategy: word("linear"),
    attempts: number(7),
    initial: millis(250),
    factor: number(1.5),
    max: millis(900),
    jitter: number(0.5, 2),
    totalMax: seconds(61),
    unsureSends: word("fail")
  }),
  ...within("timeout", {
    send: seconds(3),
    settle: seconds(4),
    renewLock: seconds(5),
    peek: seconds(6),
    sessionState: seconds(7),
    receiveMargin: seconds(8)
  }),
  ...within("breaker", {
    failuresMax: number(7),
    openDuration: seconds(9),
    successes: number(2),
    probesMax: number(4)
  }),
  ...sealed({
    keys: {
      ...text(key("k1"), "nonsense"),
      want: true,
      at: "sealing.isSealed",
      isCheckedLater: true
    },
    currentKey: {
      ...text("k2", "k9"),
      beside: { "sealing.keys": `${key("k1")},${key("k2")}` }
    },
    queueKeys: {
      file: "orders=k2",
      want: "k2",
      at: "sealing.currentKey",
      bad: "orders=k9",
      beside: { "sealing.keys": `${key("k1")},${key("k2")}`, "sealing.currentKey": "k1" }
    },
    mode: word("sign"),
    plaintext: word("alert"),
    freshness: { file: "61", want: "61 seconds", bad: "soon" },
    freshnessFrom: word("received"),
    nonceTracking: { file: "on", want: true, bad: "maybe" },
    nonceWindow: { file: "61", want: "61 seconds", bad: "soon" },
    noncesMax: { file: "5", want: true, at: "sealing.isSealed", bad: "0" }
  }),
  ...within("claimCheck", {
    store: word("file"),
    threshold: number(0, -1),
    bodySizeMax: number(1_000),
    prefix: text("acme/blobs", "../blobs"),
    delete: word("never"),
    retention: seconds(90),
    sizeMax: number(2_000),
    timeout: seconds(7),
    directory: text("/var/lib/blobs", "blobs"),
    bucket: text("acme-blobs", "Acme Blobs"),
    region: text("eu-west-1", "eu west"),
    endpoint: text("https://s3.example.com", "http://s3.example.com"),
    container: text("blobs", "Blobs"),
    connectionString: text("AccountName=acme;AccountKey=a2V5", "acme")
  }),
  ...within("sessionLeases", {
    store: word("memory"),
    lease: seconds(20, "0 seconds"),
    holder: text("pod-1", "pod\n1"),
    table: text("acme-sessions", "acme sessions"),
    keyPrefix: text("shop#", "shop\n"),
    retention: seconds(90, "0 seconds"),
    stateSizeMax: number(10),
    timeout: seconds(3)
  }),
  ...within("aws", {
    region: text("eu-west-1", "eu west"),
    endpoint: text("https://queues.example.com", "http://queues.example.com"),
    proxy: text("http://proxy.example.com:3128", "proxy"),
    socketsMax: number(7),
    connectTimeout: written("7 seconds"),
    requestTimeout: written("8 seconds"),
    prefix: text("acme-", "ac me"),
    queues: {
      file: { orders: {} },
      want: false,
      at: "aws.queues.orders.strict",
      bad: { "a b": {} }
    }
  }),
  ...within("aws.queues.<name>", { ...target, ...awsQueue }),
  ...within("aws.queues.<name>.deadLetter", target),
  ...within("aws.others", awsQueue),
  ...within("aws.credentials", {
    _tag: word("Container"),
    profile: as(text("ops", 7), credentials("aws", "Profile")),
    accessKeyId: as(text("id", 7), credentials("aws", "Keys", { secretAccessKey: "s" })),
    secretAccessKey: as(text("s3cret", 7), credentials("aws", "Keys", { accessKeyId: "id" })),
    sessionToken: as(
      text("token", 7),
      credentials("aws", "Keys", { accessKeyId: "id", secretAccessKey: "s" })
    ),
    tokenFile: as(text("/var/run/token", 7), credentials("aws", "WebIdentity")),
    roleArn: as(text("arn:aws:iam::1:role/ops", 7), credentials("aws", "WebIdentity")),
    sessionName: as(text("ops", 7), credentials("aws", "WebIdentity")),
    externalId: as(text("ext", 7), credentials("aws", "AssumeRole", { roleArn: "r" })),
    source: {
      file: { _tag: "Instance" },
      bad: { _tag: "Nobody" },
      beside: credentials("aws", "AssumeRole", { roleArn: "r" })
    }
  }),
  "aws.credentials": { file: { _tag: "Instance" }, bad: { _tag: "Nobody" } },
  "azure.connectionString": text(connectionString, 7),
  "azure.namespace": text("acme.servicebus.windows.net", "acme/queue"),
  ...beside(
    azurePlace,
    within("azure", {
      credentials: { file: { _tag: "ManagedIdentity" }, bad: { _tag: "Nobody" } },
      tier: word("premium"),
      transport: word("websockets"),
      connections: number(2),
      connectTimeout: written("7 seconds"),
      requestTimeout: written("8 seconds"),
      watchdogInterval: written("9 seconds"),
      rebuildInterval: written("10 seconds"),
      prefix: text("acme/", "ac me"),
      queues: {
        file: { orders: {} },
        want: false,
        at: "azure.queues.orders.sessions",
        bad: { "a b": {} }
      }
    })
  ),
  "azure.proxy": {
    ...text("http://proxy.example.com:3128", 7),
    beside: { ...azurePlace, "azure.transport": "websockets" }
  },
  ...beside(
    azurePlace,
    within("azure.queues.<name>", { path: text("acme/orders.v2", "a b"), ...azureQueue })
  ),
  ...beside(azurePlace, within("azure.others", azureQueue)),
  ...beside(
    azurePlace,
    within("azure.credentials", {
      _tag: word("ManagedIdentity"),
      tenantId: as(
        text("tenant", 7),
        credentials("azure", "ClientSecret", { clientId: "c", clientSecret: "s" })
      ),
      clientId: as(text("client", 7), credentials("azure", "ManagedIdentity")),
      clientSecret: as(
        text("s3cret", 7),
        credentials("azure", "ClientSecret", { clientId: "c", tenantId: "t" })
      ),
      tokenFile: as(text("/var/run/token", 7), credentials("azure", "WorkloadIdentity"))
    })
  ),
  "memory.queues": {
    file: { orders: {} },
    want: false,
    at: "memory.queues.orders.sessions",
    bad: { "a b": {} }
  },
  ...within("memory.queues.<name>", {
    sessions: yes,
    deliveriesMax: number(7),
    lockDuration: written("2 minutes"),
    deduplicationWindow: written("1 minute"),
    timeToLive: written("1 hour"),
    deadLetterExpired: yes
  }),
  ...beside(
    { "memory.queues": { orders: {} } },
    within("memory", {
      messagesMax: number(7),
      bytesMax: number(7),
      deduplicationIdsMax: number(7),
      sessionsMax: number(7),
      messageSizeMax: number(7),
      sessionStateSizeMax: number(7),
      "faults.seed": { file: "lucky", bad: true, beside: { "memory.faults.rules": [] } },
      "faults.rules": {
        file: [{ operation: "Send", probability: 0.5, fault: { _tag: "Duplicate" } }],
        bad: [{ operation: "Sing" }],
        beside: { "memory.faults.seed": 7 }
      }
    })
  )
}
