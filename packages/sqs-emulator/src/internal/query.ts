/** The query protocol: forms in, XML out, to and from the shapes of the JSON protocol. */
import type * as SqsError from "../SqsError.ts"
import type { Input } from "./input.ts"

/** A dotted form as a tree: `Attribute.1.Name` is `Name` in `1` in `Attribute`. */
interface Tree {
  value?: string
  readonly children: Map<string, Tree>
}

const grow = (parameters: URLSearchParams): Tree => {
  const root: Tree = { children: new Map() }
  for (const [key, value] of parameters) {
    let tree = root
    for (const part of key.split(".")) {
      let child = tree.children.get(part)
      if (child === undefined) {
        child = { children: new Map() }
        tree.children.set(part, child)
      }
      tree = child
    }
    tree.value = value
  }
  return root
}

const integers = new Set([
  "DelaySeconds",
  "MaxNumberOfMessages",
  "MaxNumberOfMessagesPerSecond",
  "MaxResults",
  "VisibilityTimeout",
  "WaitTimeSeconds"
])

/** Lists of texts, by the name that the query protocol has for one item. */
const lists: Readonly<Record<string, string>> = {
  AWSAccountId: "AWSAccountIds",
  ActionName: "Actions",
  AttributeName: "AttributeNames",
  MessageAttributeName: "MessageAttributeNames",
  MessageSystemAttributeName: "MessageSystemAttributeNames",
  TagKey: "TagKeys"
}

const items = ({ children }: Tree): ReadonlyArray<Tree> =>
  [...children].toSorted(([a], [b]) => Number(a) - Number(b)).map(([, tree]) => tree)

const textOf = (tree: Tree, name: string): string => tree.children.get(name)?.value ?? ""

const pairs = (tree: Tree, key: string): Input =>
  Object.fromEntries(items(tree).map((item) => [textOf(item, key), textOf(item, "Value")]))

const plain = ({ children }: Tree): Input =>
  Object.fromEntries([...children].map(([name, { value }]) => [name, value]))

const attributeMap = (tree: Tree): Input =>
  Object.fromEntries(
    items(tree).map((item) => {
      const value = item.children.get("Value")
      return [textOf(item, "Name"), value === undefined ? {} : plain(value)]
    })
  )

const numberOf = (value: string): unknown => (/^-?\d+$/u.test(value) ? Number(value) : value)

const fieldOf = (name: string, tree: Tree, action: string): readonly [string, unknown] => {
  const list = lists[name]
  if (list !== undefined) return [list, items(tree).map(({ value }) => value ?? "")]
  if (name === "Attribute") return ["Attributes", pairs(tree, "Name")]
  if (name === "Tag") return [action === "CreateQueue" ? "tags" : "Tags", pairs(tree, "Key")]
  if (name === "MessageAttribute") return ["MessageAttributes", attributeMap(tree)]
  if (name === "MessageSystemAttribute") return ["MessageSystemAttributes", attributeMap(tree)]
  if (name.endsWith("BatchRequestEntry")) {
    return ["Entries", items(tree).map((item) => toInput(item, action))]
  }
  const value = tree.value ?? ""
  return [name, integers.has(name) ? numberOf(value) : value]
}

const toInput = ({ children }: Tree, action: string): Input =>
  Object.fromEntries([...children].map(([name, tree]) => fieldOf(name, tree, action)))

/** The call of a form. */
export const read = (form: string): { readonly action: string; readonly input: Input } => {
  const parameters = new URLSearchParams(form)
  const action = parameters.get("Action") ?? ""
  for (const name of ["Action", "Version"]) parameters.delete(name)
  return { action, input: toInput(grow(parameters), action) }
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\r": "&#xD;"
}

const escape = (text: string): string => text.replaceAll(/[&<>"\r]/gu, (one) => entities[one] ?? "")

const element = (name: string, content: string): string => `<${name}>${content}</${name}>`

const pairName: Readonly<Record<string, readonly [string, string]>> = {
  Attributes: ["Attribute", "Name"],
  MessageAttributes: ["MessageAttribute", "Name"],
  Tags: ["Tag", "Key"]
}

const itemName = (name: string, action: string): string => {
  switch (name) {
    case "Failed":
      return "BatchResultErrorEntry"
    case "Messages":
      return "Message"
    case "QueueUrls":
    case "queueUrls":
      return "QueueUrl"
    case "Results":
      return "ListMessageMoveTasksResultEntry"
    default:
      return `${action}ResultEntry`
  }
}

const isStructure = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const write = (name: string, value: unknown, action: string): string => {
  if (value === undefined) return ""
  if (Array.isArray(value)) {
    return value.map((item) => write(itemName(name, action), item, action)).join("")
  }
  if (typeof value === "string") return element(name, escape(value))
  if (!isStructure(value)) return element(name, JSON.stringify(value))
  const pair = pairName[name]
  if (pair === undefined) return element(name, content(value, action))
  const [item, key] = pair
  return Object.entries(value)
    .map(([one, inner]) => element(item, element(key, escape(one)) + write("Value", inner, action)))
    .join("")
}

const content = (value: object, action: string): string =>
  Object.entries(value)
    .map(([name, inner]) => write(name, inner, action))
    .join("")

const namespace = 'xmlns="http://queue.amazonaws.com/doc/2012-11-05/"'

const withoutResult = new Set([
  "AddPermission",
  "ChangeMessageVisibility",
  "DeleteMessage",
  "DeleteQueue",
  "PurgeQueue",
  "RemovePermission",
  "SetQueueAttributes",
  "TagQueue",
  "UntagQueue"
])

/** The answer to a call. */
export const answer = (action: string, output: object, requestId: string): string => {
  const result = withoutResult.has(action)
    ? ""
    : element(`${action}Result`, content(output, action))
  const metadata = element("ResponseMetadata", element("RequestId", requestId))
  return `<?xml version="1.0"?><${action}Response ${namespace}>${result}${metadata}</${action}Response>`
}

/** The answer to a refused call. */
export const refusal = (error: SqsError.SqsError, requestId: string): string => {
  const { code, kind, message, senderFault } = error
  const text =
    kind === "QueueDoesNotExist" ? `${message.replace(/\.$/u, "")} for this wsdl version.` : message
  const body = element(
    "Error",
    element("Type", senderFault ? "Sender" : "Receiver") +
      element("Code", escape(code)) +
      element("Message", escape(text)) +
      "<Detail/>"
  )
  return `<?xml version="1.0"?><ErrorResponse ${namespace}>${body}${element("RequestId", requestId)}</ErrorResponse>`
}
