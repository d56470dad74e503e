/** Events as AWS documents them, and more of the same shape. */
import type { SQSEvent, SQSRecord } from "aws-lambda"

/**
 * "Example standard queue message event" of https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
 * (read 2026-11), its receipt handles cut there. The message attributes are ours, of the shape that
 * `@types/aws-lambda` has.
 */
export const standard: SQSEvent = {
  Records: [
    {
      messageId: "059f36b4-87a3-44ab-83d2-661975830a7d",
      receiptHandle: "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
      body: "Test message.",
      attributes: {
        ApproximateReceiveCount: "1",
        SentTimestamp: "1545082649183",
        SenderId: "AIDAIENQZJOLO23YVJ4VO",
        ApproximateFirstReceiveTimestamp: "1545082649185"
      },
      messageAttributes: {
        myAttribute: {
          stringValue: "myValue",
          stringListValues: [],
          binaryListValues: [],
          dataType: "String"
        },
        bytes: {
          binaryValue: "AP8=",
          stringListValues: [],
          binaryListValues: [],
          dataType: "Binary"
        }
      },
      md5OfBody: "e4e68fb7bd0e697a0ae8f1bb342846b3",
      eventSource: "aws:sqs",
      eventSourceARN: "arn:aws:sqs:us-east-2:123456789012:my-queue",
      awsRegion: "us-east-2"
    },
    {
      messageId: "2e1424d4-f796-459a-8184-9c92662be6da",
      receiptHandle: "AQEBzWwaftRI0KuVm4tP+/7q1rGgNqicHq...",
      body: "Test message.",
      attributes: {
        ApproximateReceiveCount: "1",
        SentTimestamp: "1545082650636",
        SenderId: "AIDAIENQZJOLO23YVJ4VO",
        ApproximateFirstReceiveTimestamp: "1545082650649"
      },
      messageAttributes: {},
      md5OfBody: "e4e68fb7bd0e697a0ae8f1bb342846b3",
      eventSource: "aws:sqs",
      eventSourceARN: "arn:aws:sqs:us-east-2:123456789012:my-queue",
      awsRegion: "us-east-2"
    }
  ]
}

/** "Example Amazon SQS message event (FIFO queue)" of the same page. */
const fifoRecord: SQSRecord = {
  messageId: "11d6ee51-4cc7-4302-9e22-7cd8afdaadf5",
  receiptHandle: "AQEBBX8nesZEXmkhsmZeyIE8iQAMig7qw...",
  body: "Test message.",
  attributes: {
    ApproximateReceiveCount: "1",
    SentTimestamp: "1573251510774",
    SequenceNumber: "18849496460467696128",
    MessageGroupId: "1",
    SenderId: "AIDAIO23YVJENQZJOL4VO",
    MessageDeduplicationId: "1",
    ApproximateFirstReceiveTimestamp: "1573251510774"
  },
  messageAttributes: {},
  md5OfBody: "e4e68fb7bd0e697a0ae8f1bb342846b3",
  eventSource: "aws:sqs",
  eventSourceARN: "arn:aws:sqs:us-east-2:123456789012:fifo.fifo",
  awsRegion: "us-east-2"
}

export const fifo: SQSEvent = { Records: [fifoRecord] }

/** Messages of that queue by their bodies; the first letter is the group. */
export const groups = (bodies: ReadonlyArray<string>): SQSEvent => ({
  Records: bodies.map((body, index) => ({
    ...fifoRecord,
    messageId: `id-${body}`,
    receiptHandle: `handle-${body}`,
    body,
    attributes: {
      ...fifoRecord.attributes,
      SequenceNumber: String(18_849_496_460_467_696_128n + BigInt(index)),
      MessageGroupId: body.slice(0, 1),
      MessageDeduplicationId: body
    }
  }))
})
