/** What is wrong with a connection string. It is secret, so nothing of it is said. */
export const problemOf = (value: string): string | undefined => {
  const parts = new Map(
    value.split(";").flatMap((part) => {
      const at = part.indexOf("=")
      return at < 1 ? [] : [[part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()]]
    })
  )
  const endpoint = parts.get("endpoint") ?? ""
  if (!/^(sb|amqps?):\/\/[^\s/]+\/?$/iu.test(endpoint)) {
    return "must have an Endpoint: Endpoint=sb://acme.servicebus.windows.net/"
  }
  const hasKey = parts.has("sharedaccesskeyname") && parts.has("sharedaccesskey")
  if (hasKey || parts.has("sharedaccesssignature")) return undefined
  return "must have SharedAccessKeyName and SharedAccessKey, or SharedAccessSignature"
}
