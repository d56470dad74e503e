import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import {
  BreakerMachine,
  type Ending,
  type Kind,
  type Limits,
  type Ticket
} from "../../src/internal/breakerMachine.ts"

const limits: Limits = {
  failuresMax: 5,
  openMillis: 30_000,
  successes: 3,
  probesMax: 1,
  pauseMillis: 2_000
}

const admitted = (machine: BreakerMachine, now: number, kind: Kind = "Call"): Ticket => {
  const ticket = machine.admit(kind, now)
  return typeof ticket === "number" ? assert.fail(`refused until ${ticket}`) : ticket
}

const call = (machine: BreakerMachine, ending: Ending, now: number, kind: Kind = "Call") =>
  machine.end(admitted(machine, now, kind), ending, now)

const opened = (own: Partial<Limits> = {}) => {
  const machine = new BreakerMachine({ ...limits, ...own })
  for (let failure = 0; failure < limits.failuresMax; failure++) {
    call(machine, "Failure", 0)
  }
  assert.deepStrictEqual(machine.state, { _tag: "Open", until: 30_000 })
  return machine
}

describe("breakerMachine: the figures", () => {
  it("R6.2 the fifth failure in a row opens it, not the fourth", () => {
    const machine = new BreakerMachine(limits)
    for (let failure = 1; failure < 5; failure++) call(machine, "Failure", failure)
    assert.isTrue(machine.isClosed)
    assert.isFalse(machine.isPristine)
    call(machine, "Failure", 5)
    assert.deepStrictEqual(machine.state, { _tag: "Open", until: 30_005 })
  })

  it.each(["Success", "Empty"] as const)("R6.2 %s ends the row", (ending) => {
    const machine = new BreakerMachine(limits)
    for (let failure = 1; failure < 5; failure++) call(machine, "Failure", 0)
    call(machine, ending, 0)
    assert.isTrue(machine.isPristine)
    call(machine, "Failure", 0)
    assert.isTrue(machine.isClosed)
  })

  it("R6.2 what says nothing neither adds to the row nor ends it", () => {
    const machine = new BreakerMachine(limits)
    for (let failure = 1; failure < 5; failure++) call(machine, "Failure", 0)
    call(machine, "Nothing", 0)
    assert.isTrue(machine.isClosed)
    call(machine, "Failure", 0)
    assert.strictEqual(machine.state._tag, "Open")
  })

  it("R6.2 open refuses until its time is over, then lets one probe through and refuses the next shortly", () => {
    const machine = opened()
    assert.strictEqual(machine.admit("Call", 29_999), 30_000)
    assert.strictEqual(machine.room("Call", 29_999), 0)
    assert.strictEqual(machine.room("Call", 30_000), 1)
    admitted(machine, 30_000)
    assert.strictEqual(machine.state._tag, "HalfOpen")
    assert.strictEqual(machine.room("Call", 30_000), 0)
    assert.strictEqual(machine.admit("Call", 30_000), 32_000)
  })

  it("R6.2 a refused one is never told to wait longer than the open time", () => {
    const machine = opened({ openMillis: 30_000, pauseMillis: 90_000 })
    admitted(machine, 30_000)
    assert.strictEqual(machine.admit("Call", 30_000), 60_000)
  })

  it("R6.2 three successes close it, a failure among them opens it again", () => {
    const machine = opened()
    call(machine, "Success", 30_000)
    call(machine, "Success", 30_000)
    assert.strictEqual(machine.state._tag, "HalfOpen")
    call(machine, "Failure", 31_000)
    assert.deepStrictEqual(machine.state, { _tag: "Open", until: 61_000 })
    for (let success = 0; success < 3; success++) call(machine, "Success", 61_000)
    assert.isTrue(machine.isPristine)
    assert.strictEqual(machine.room("Call", 0), Number.POSITIVE_INFINITY)
  })

  it("R6.2 a probe that says nothing gives its place back", () => {
    const machine = opened()
    for (let probe = 0; probe < 10; probe++) call(machine, "Nothing", 30_000)
    assert.strictEqual(machine.state._tag, "HalfOpen")
    assert.strictEqual(machine.room("Call", 30_000), 1)
  })

  it("R6.2 a probe that waits for messages holds up no other call, and no other waits once it came back", () => {
    const machine = opened()
    const waiting = admitted(machine, 30_000, "Wait")
    assert.isNumber(machine.admit("Wait", 30_000))
    call(machine, "Success", 30_000, "Call")
    machine.end(waiting, "Empty", 60_000)
    for (let wait = 0; wait < 20; wait++) admitted(machine, 60_000, "Wait")
    assert.strictEqual(machine.room("Wait", 60_000), Number.POSITIVE_INFINITY)
    assert.strictEqual(machine.state._tag, "HalfOpen")
  })

  it("R6.2 empty answers alone never close it", () => {
    const machine = opened()
    for (let wait = 0; wait < 20; wait++) call(machine, "Empty", 30_000, "Wait")
    assert.strictEqual(machine.state._tag, "HalfOpen")
  })

  it("R6.2 what began before a change of state does not count after it", () => {
    const machine = new BreakerMachine(limits)
    const late = Array.from({ length: 10 }, () => admitted(machine, 0))
    for (const ticket of late.slice(0, 5)) machine.end(ticket, "Failure", 0)
    admitted(machine, 30_000)
    const [failure, success] = late.slice(5)
    machine.end(failure ?? assert.fail(), "Failure", 30_000)
    for (let times = 0; times < 3; times++) machine.end(success ?? assert.fail(), "Success", 30_000)
    assert.strictEqual(machine.state._tag, "HalfOpen")
    assert.strictEqual(machine.room("Call", 30_000), 0)
  })

  it("R6.2 who waits is woken once, by a change or the end of a probe, and may take it back", () => {
    const machine = opened()
    const woken: Array<string> = []
    machine.onNext(() => woken.push("a"))
    const takeBack = machine.onNext(() => woken.push("b"))
    takeBack()
    const probe = admitted(machine, 30_000)
    assert.deepStrictEqual(woken, ["a"])
    machine.onNext(() => woken.push("c"))
    machine.end(probe, "Success", 30_000)
    assert.deepStrictEqual(woken, ["a", "c"])
  })

  it("R6.2 each change is told with what was before", () => {
    const changes: Array<string> = []
    const machine = new BreakerMachine(
      { ...limits, failuresMax: 1, successes: 1 },
      (state, previous) => changes.push(`${previous._tag}>${state._tag}`)
    )
    call(machine, "Failure", 0)
    call(machine, "Success", 30_000)
    assert.deepStrictEqual(changes, ["Closed>Open", "Open>HalfOpen", "HalfOpen>Closed"])
  })
})

/** What a reader of the specification would write down. */
interface Model {
  now: number
  state: "Closed" | "Open" | "HalfOpen"
  until: number
  row: number
  successes: number
  answered: boolean
  /** Calls under way that still count, by place in `tickets`. */
  live: Map<number, Kind>
  begun: number
}

interface Real {
  readonly machine: BreakerMachine
  readonly tickets: Map<number, Ticket>
}

const figures: Limits = {
  failuresMax: 3,
  openMillis: 10,
  successes: 2,
  probesMax: 2,
  pauseMillis: 3
}

const changeTo = (model: Model, state: Model["state"]): void => {
  model.state = state
  model.row = 0
  model.successes = 0
  model.answered = false
  model.live = new Map()
  if (state === "Open") model.until = model.now + figures.openMillis
}

const agrees = (model: Model, { machine }: Real): void => {
  assert.strictEqual(machine.state._tag, model.state)
  if (machine.state._tag === "Open") assert.strictEqual(machine.state.until, model.until)
}

class Begin implements fc.Command<Model, Real> {
  readonly kind: Kind

  constructor(kind: Kind) {
    this.kind = kind
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const ticket = real.machine.admit(this.kind, model.now)
    if (model.state === "Open" && model.now >= model.until) changeTo(model, "HalfOpen")
    const probes = [...model.live.values()].filter((kind) => kind === this.kind).length
    const isUnlimited = model.state === "Closed" || (this.kind === "Wait" && model.answered)
    const isAdmitted = model.state !== "Open" && (isUnlimited || probes < figures.probesMax)
    assert.strictEqual(typeof ticket !== "number", isAdmitted)
    if (typeof ticket === "number") {
      const pause = model.now + figures.pauseMillis
      assert.strictEqual(ticket, model.state === "Open" ? model.until : pause)
    } else {
      real.tickets.set(model.begun, ticket)
      model.live.set(model.begun, this.kind)
      model.begun++
    }
    agrees(model, real)
  }

  toString(): string {
    return `begin ${this.kind}`
  }
}

class End implements fc.Command<Model, Real> {
  readonly which: number
  readonly ending: Ending

  constructor(which: number, ending: Ending) {
    this.which = which
    this.ending = ending
  }

  check(model: Model): boolean {
    return model.begun > 0
  }

  run(model: Model, real: Real): void {
    const place = this.which % model.begun
    const ticket = real.tickets.get(place)
    if (ticket === undefined) return
    real.tickets.delete(place)
    real.machine.end(ticket, this.ending, model.now)
    if (model.live.delete(place)) this.count(model)
    agrees(model, real)
  }

  count(model: Model): void {
    if (model.state === "Closed") {
      if (this.ending === "Failure") model.row++
      else if (this.ending !== "Nothing") model.row = 0
      if (model.row >= figures.failuresMax) changeTo(model, "Open")
      return
    }
    if (this.ending === "Failure") return changeTo(model, "Open")
    if (this.ending === "Success") model.successes++
    if (this.ending === "Empty") model.answered = true
    if (model.successes >= figures.successes) changeTo(model, "Closed")
  }

  toString(): string {
    return `end ${this.which} ${this.ending}`
  }
}

class Pass implements fc.Command<Model, Real> {
  readonly millis: number

  constructor(millis: number) {
    this.millis = millis
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    model.now += this.millis
    agrees(model, real)
  }

  toString(): string {
    return `pass ${this.millis}`
  }
}

describe("breakerMachine: against a model", () => {
  it("R6.2 any order of calls, endings and time ends in the state the specification says", () => {
    const kind = fc.constantFrom<Kind>("Call", "Wait")
    const ending = fc.constantFrom<Ending>("Success", "Failure", "Failure", "Empty", "Nothing")
    const commands = fc.commands(
      [
        kind.map((one) => new Begin(one)),
        fc.tuple(fc.nat(20), ending).map(([which, how]) => new End(which, how)),
        fc.integer({ min: 1, max: 12 }).map((millis) => new Pass(millis))
      ],
      { maxCommands: 120, size: "max" }
    )
    const seen = new Set<string>()
    fc.assert(
      fc.property(commands, (all) => {
        const setup = () => {
          const machine = new BreakerMachine(figures, ({ _tag }) => seen.add(_tag))
          const model: Model = {
            now: 0,
            state: "Closed",
            until: 0,
            row: 0,
            successes: 0,
            answered: false,
            live: new Map(),
            begun: 0
          }
          return { model, real: { machine, tickets: new Map<number, Ticket>() } }
        }
        fc.modelRun(setup, all)
      }),
      { numRuns: 300 }
    )
    // The runs reach every state, or they would prove little.
    assert.deepStrictEqual([...seen].toSorted(), ["Closed", "HalfOpen", "Open"])
  })
})
