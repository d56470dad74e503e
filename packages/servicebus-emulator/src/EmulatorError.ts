/**
 * Why an emulator could not be made or asked.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An option or a line of a configuration file is wrong; `path` says which.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConfigurationInvalid extends Schema.TaggedError<ConfigurationInvalid>(
  "@queue-runtime/servicebus-emulator/ConfigurationInvalid"
)("ConfigurationInvalid", { path: Schema.String, detail: Schema.String }) {
  override get message(): string {
    return `${this.path}: ${this.detail}`
  }
}

/**
 * The address cannot be listened on.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListenFailed extends Schema.TaggedError<ListenFailed>(
  "@queue-runtime/servicebus-emulator/ListenFailed"
)("ListenFailed", { host: Schema.String, port: Schema.Number, cause: Schema.Defect() }) {
  override get message(): string {
    return `cannot listen on ${this.host}:${this.port}`
  }
}

/**
 * The broker said no: an AMQP error condition and its text.
 *
 * @category errors
 * @since 0.1.0
 */
export class Refused extends Schema.TaggedError<Refused>(
  "@queue-runtime/servicebus-emulator/Refused"
)("Refused", { condition: Schema.String, description: Schema.String }) {
  override get message(): string {
    return `${this.condition}: ${this.description}`
  }
}
