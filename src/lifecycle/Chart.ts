/**
 * The statechart as plain data, read from the machine's own definition. Every picture of it is drawn from this, so no
 * picture can show what the machine does not do.
 *
 * A list of questions that several events of the root share is kept once, as `weigh`: a transition whose target is
 * `weigh` goes through it. Drawn out it would be a hundred arrows that all say the same.
 */
import { machine } from "./machine.ts"

/** The pseudo-state that stands for the shared list of questions. */
export const weigh = "weigh"

/** The guard of the last answer, when others were asked before it. */
const otherwise = "else"

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

/** A command with its parameters as far as they are the same every time. */
const spelled = (name: string, params: unknown): string =>
  typeof params === "object" && params !== null
    ? `${name}(${Object.entries(params)
        .map(([key, value]) => `${key}: ${value}`)
        .join(", ")})`
    : name

const answersOf = (transitions: ReadonlyArray<Transition>): ReadonlyArray<Answer> =>
  transitions.map((transition, index) => ({ ...answerOf(transition), guard: guardOf(transition, index) }))

const guardOf = ({ guard }: Transition, index: number): string | undefined =>
  guard === undefined ? (index === 0 ? undefined : otherwise) : String(guard)

/** No event gets past this answer. */
const always = ({ guard }: Answer): boolean => guard === undefined || guard === otherwise

const answerOf = (transition: Transition): Omit<Answer, "guard"> => {
  const actions = transition.actions.map((action) =>
    typeof action === "object" ? action : { type: String(action), params: undefined },
  )
  return {
    target: transition.target?.[0]?.key,
    commands: actions.flatMap(({ type, params }) => (isAssign(type) ? [] : [spelled(type, params)])),
    remembers: actions.some(({ type }) => isAssign(type)),
  }
}

const sameAnswers = (left: ReadonlyArray<Answer>, right: ReadonlyArray<Answer>): boolean =>
  JSON.stringify(left) === JSON.stringify(right)

/** The machine as data. */
export const chart = (): Chart => {
  const [first, ...others] = [...machine.root.transitions.values()].map(answersOf)
  const questions = first ?? []
  if (!others.every((list) => sameAnswers(list, questions))) throw new Error("the root's events share one list")

  /** The list of questions at the end of an answer's own guards becomes a step to `weigh`. */
  const folded = (answers: ReadonlyArray<Answer>): ReadonlyArray<Answer> => {
    const own = answers.length - questions.length
    return own >= 0 && sameAnswers(answers.slice(own), questions)
      ? [
          ...answers.slice(0, own),
          { guard: own === 0 ? undefined : otherwise, target: weigh, commands: [], remembers: false },
        ]
      : answers
  }
  const heard = (node: Node): ReadonlyMap<string, ReadonlyArray<Answer>> =>
    new Map([...node.transitions].map(([event, list]) => [event, folded(answersOf(list))]))

  const states: Array<State> = []
  /** `inherited` tells which events are weighed where nobody further in says otherwise. */
  const walk = (node: Node, inside: ReadonlyArray<string>, inherited: ReadonlySet<string>): void => {
    const own = heard(node)
    const weighs = new Set(inherited)
    for (const [event, answers] of own) {
      if (answers.some(({ target }) => target === weigh)) weighs.add(event)
      // An event that no guard of this state takes goes on to the state around it.
      else if (answers.some(always)) weighs.delete(event)
    }
    const children = Object.values(node.states)
    if (node !== machine.root) {
      states.push({
        key: node.key,
        inside,
        leaf: children.length === 0,
        description: node.description ?? "",
        hears: [...own].map(([event, answers]) => ({ event, answers })),
        weighs: children.length === 0 ? [...weighs] : [],
      })
    }
    for (const child of children) walk(child, node === machine.root ? [] : [...inside, node.key], weighs)
  }
  walk(machine.root, [], new Set())
  const { target } = machine.root.initial
  return { initial: target[0]?.key ?? "", states, questions, weighed: [...machine.root.transitions.keys()] }
}
