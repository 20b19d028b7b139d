/** Which process of a node gets a new job, if the node has several. */

/**
 * The processes in the order in which they are asked to take the job: those with the fewest open jobs of this gateway
 * come first. Among equals `turn` decides, which differs between gateways: most of them have one job or two.
 */
export function placementOrder(
    processes: readonly string[],
    jobsAt: (process: string) => number,
    turn: number,
): string[] {
    const sorted = [...processes].sort();
    const first = turn % Math.max(1, sorted.length);
    return [...sorted.slice(first), ...sorted.slice(0, first)].sort((a, b) => jobsAt(a) - jobsAt(b));
}
