/** How long the making of so many forks may take, in milliseconds. */
export const forkDeadlineMs = (forks: number) => 120_000 + 2_000 * forks
