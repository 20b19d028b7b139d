/** An error that says itself what to do: its causes stay with it, and the command line does not tell them with advice of their own. */
export class Remedied extends Error {}
