/**
 * The statechart as plain data, read from the machine's own definition. Every picture of it is drawn from this, so no
 * picture can show what the machine does not do.
 *
 * A list of questions that all events of the root share is kept once, as `weigh`: a transition whose target is `weigh`
 * goes through it. Drawn out it would be a hundred arrows that all say the same.
 */
import { machine } from "./machine.ts"

/** The pseudo-state that stands for the shared list of questions. */
export const weigh = "weigh"

/** The guard of the last answer, when others were asked before it. */
export const otherwise = "else"

/** One of the answers to an event, in the order in which their guards are asked. */
export interface Answer {
  readonly guard: string | undefined
  /** The next state, or `weigh`; `undefined` when the machine stays where it is. */
  readonly target: string | undefined
  readonly commands: ReadonlyArray<string>
  /** Something is remembered, whether or not anything is wished for. */
  readonly remembers: boolean
}

export interface State {
  /** Its name, which is unique in the machine. */
  readonly key: string
  /** The names of the states around it, outermost first. */
  readonly inside: ReadonlyArray<string>
  readonly leaf: boolean
  readonly description: string
  /** What this state itself does with an event, where that differs from what the state around it does. */
  readonly hears: ReadonlyArray<{ readonly event: string; readonly answers: ReadonlyArray<Answer> }>
  /** For a leaf: every event that is weighed while the machine is here, whether its own or inherited. */
  readonly weighs: ReadonlyArray<string>
}

export interface Chart {
  readonly initial: string
  /** Depth first, in the order of the definition. */
  readonly states: ReadonlyArray<State>
  readonly questions: ReadonlyArray<Answer>
  /** The events that are weighed unless a state says otherwise. */
  readonly weighed: ReadonlyArray<string>
}

type Node = typeof machine.root
type Transition = NonNullable<ReturnType<Node["transitions"]["get"]>>[number]

const isAssign = (action: string): boolean => {
  const implementation: unknown = Reflect.get(machine.implementations.actions, action)
  return typeof implementation === "function" && Reflect.get(implementation, "type") === "xstate.assign"
}

/** A command, with its parameters where they are the same every time. */
const spelled = (name: string, params: unknown): string => {
  if (typeof params !== "object" || params === null) return name
  const values = Object.entries(params).map(([key, value]) => `${key}: ${value}`)
  return `${name}(${values.join(", ")})`
}

const guardOf = ({ guard }: Transition, index: number): string | undefined => {
  if (guard !== undefined) return String(guard)
  return index === 0 ? undefined : otherwise
}

const answersOf = (transitions: ReadonlyArray<Transition>): ReadonlyArray<Answer> =>
  transitions.map((transition, index) => {
    const actions = transition.actions.map((action) =>
      typeof action === "object" ? action : { type: String(action), params: undefined },
    )
    return {
      guard: guardOf(transition, index),
      target: transition.target?.[0]?.key,
      commands: actions.flatMap(({ params, type }) => (isAssign(type) ? [] : [spelled(type, params)])),
      remembers: actions.some(({ type }) => isAssign(type)),
    }
  })

/** No event gets past this answer. */
export const always = ({ guard }: Answer): boolean => guard === undefined || guard === otherwise

const sameAnswers = (left: ReadonlyArray<Answer>, right: ReadonlyArray<Answer>): boolean =>
  JSON.stringify(left) === JSON.stringify(right)

/** The machine as data. */
export const chart = (): Chart => {
  const [questions = [], ...others] = [...machine.root.transitions.values()].map(answersOf)
  if (!others.every((answers) => sameAnswers(answers, questions))) throw new Error("the root's events share one list")

  /** The questions at the end of an event's own answers become a step to `weigh`. */
  const folded = (answers: ReadonlyArray<Answer>): ReadonlyArray<Answer> => {
    const own = answers.length - questions.length
    if (own < 0 || !sameAnswers(answers.slice(own), questions)) return answers
    const guard = own === 0 ? undefined : otherwise
    return [...answers.slice(0, own), { guard, target: weigh, commands: [], remembers: false }]
  }

  /** `inherited` tells which events are weighed where nobody further in says otherwise. */
  const statesIn = (node: Node, inside: ReadonlyArray<string>, inherited: ReadonlySet<string>): Array<State> => {
    const own = [...node.transitions].map(([event, list]) => ({ event, answers: folded(answersOf(list)) }))
    const weighs = new Set(inherited)
    for (const { answers, event } of own) {
      if (answers.some(({ target }) => target === weigh)) weighs.add(event)
      // An event that no guard of this state takes goes on to the state around it.
      else if (answers.some(always)) weighs.delete(event)
    }
    const children = Object.values(node.states)
    const leaf = children.length === 0
    const { description = "", key } = node
    const around = node === machine.root ? [] : [...inside, key]
    const state = { key, inside, leaf, description, hears: own, weighs: leaf ? [...weighs] : [] }
    return [...(node === machine.root ? [] : [state]), ...children.flatMap((child) => statesIn(child, around, weighs))]
  }
  return {
    initial: machine.root.initial.target[0]?.key ?? "",
    states: statesIn(machine.root, [], new Set()),
    questions,
    weighed: [...machine.root.transitions.keys()],
  }
}

/** The states directly inside `parent`; the outermost ones when that is `undefined`. */
export const childrenOf = (of: Chart, parent: string | undefined): ReadonlyArray<State> =>
  of.states.filter(({ inside }) => inside.at(-1) === parent)

/** The state itself, or the leaves inside it. */
export const leavesOf = (of: Chart, key: string): ReadonlyArray<State> =>
  of.states.filter((state) => state.leaf && (state.key === key || state.inside.includes(key)))

/** Every event that some state hears. */
export const eventsOf = (of: Chart): ReadonlyArray<string> => [
  ...new Set([...of.weighed, ...of.states.flatMap(({ hears }) => hears.map(({ event }) => event))]),
]

/** One way from a state to another. */
export interface Step {
  readonly event: string
  readonly answer: Answer
  readonly target: string
}

/** The ways out of a state that do not go through `weigh`. */
export const stepsOf = (state: State): ReadonlyArray<Step> =>
  state.hears.flatMap(({ answers, event }) =>
    answers.flatMap((answer) =>
      answer.target === undefined || answer.target === weigh ? [] : [{ event, answer, target: answer.target }],
    ),
  )
