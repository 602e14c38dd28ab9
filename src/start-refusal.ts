/**
 * The service cannot start, or cannot go on, for a reason that the operator can act on.
 * The message is one readable sentence; whoever runs the process prints it without a stack and exits 1.
 */
export class StartRefusal extends Error {
  override readonly name = 'StartRefusal';
}
