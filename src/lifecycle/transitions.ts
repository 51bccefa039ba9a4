/**
 * The machine's transitions one by one, and which of them an event takes: what a table of states and events lists, and
 * what has to be either taken in some exploration or explained.
 *
 * The shared list of questions counts once, and not again for every state that asks it: a leaf that weighs an event has
 * one transition to `weigh`, and `weigh` has one for each event and question.
 */
import * as Chart from "./Chart.ts"
import { machine, type State, type StateValue } from "./machine.ts"
import type { Event } from "./protocol.ts"

export interface Transition {
  /** A leaf, or `weigh`. */
  readonly from: string
  readonly event: string
  readonly answer: Chart.Answer
}

/** The same for the same transition, whatever stands around it: `claiming Claimed [ours, but late]`. */
export const nameOf = ({ answer: { guard }, event, from }: Transition): string =>
  guard === undefined ? `${from} ${event}` : `${from} ${event} [${guard}]`

const weighing: Chart.Answer = { guard: undefined, target: Chart.weigh, commands: [], remembers: false }

/** The answers of a state itself, without those around it. `undefined`: of the machine as a whole. */
const ownAnswers = (chart: Chart.Chart, key: string | undefined, event: string): ReadonlyArray<Chart.Answer> => {
  if (key === undefined) return chart.weighed.includes(event) ? [weighing] : []
  const state = chart.states.find((other) => other.key === key)
  return state?.hears.find((hearing) => hearing.event === event)?.answers ?? []
}

/** All that a leaf may answer, its own answers before those of the states around it. None: it does not hear the event. */
export const answersIn = (chart: Chart.Chart, leaf: Chart.State, event: string): ReadonlyArray<Chart.Answer> => {
  const path = [leaf.key, ...leaf.inside.toReversed(), undefined]
  const answers = path.flatMap((key) => ownAnswers(chart, key, event))
  const last = answers.findIndex(Chart.always)
  return last < 0 ? answers : answers.slice(0, last + 1)
}

export const leavesOf = ({ states }: Chart.Chart): ReadonlyArray<Chart.State> => states.filter(({ leaf }) => leaf)

export const transitionsOf = (chart: Chart.Chart): ReadonlyArray<Transition> => [
  ...leavesOf(chart).flatMap((leaf) =>
    Chart.eventsOf(chart).flatMap((event) =>
      answersIn(chart, leaf, event).map((answer) => ({ from: leaf.key, event, answer })),
    ),
  ),
  ...chart.weighed.flatMap((event) => chart.questions.map((answer) => ({ from: Chart.weigh, event, answer }))),
]

/** The name of the leaf. */
const leafOf = (value: StateValue): string => {
  let inner: unknown = value
  while (typeof inner === "object" && inner !== null) inner = Object.values(inner)[0]
  return String(inner)
}

/**
 * What an event takes: nothing where it is not heard or no guard holds, one of the leaf's transitions, or that and the
 * question which decided.
 */
export const takenBy = (chart: Chart.Chart, { context, value }: State, event: Event): ReadonlyArray<Transition> => {
  const [taken] = machine.getTransitionData(machine.resolveState({ context, value }), event)
  if (taken === undefined) return []
  const { parent, key } = taken.source
  const answers = ownAnswers(chart, parent === undefined ? undefined : key, event.type)
  const place = taken.source.transitions.get(event.type)?.indexOf(taken) ?? 0
  const weighs = answers.findIndex(({ target }) => target === Chart.weigh)
  const asked = weighs >= 0 && place >= weighs
  const [answer, question] = [answers[asked ? weighs : place], asked ? chart.questions[place - weighs] : undefined]
  if (answer === undefined) throw new Error(`the chart lacks what ${event.type} takes`)
  return [
    { from: leafOf(value), event: event.type, answer },
    ...(question === undefined ? [] : [{ from: Chart.weigh, event: event.type, answer: question }]),
  ]
}

/** Why some transitions are taken in no exploration and no random life: a claim that tests can hold against both. */
export interface Explanation {
  /** Leaves, or `weigh`. */
  readonly from: ReadonlyArray<string>
  readonly events: ReadonlyArray<string>
  /** All when absent. */
  readonly guards?: ReadonlyArray<string>
  readonly why: string
  /** It can happen, and so seldom that nobody should wait for it. */
  readonly isRare?: true
}
