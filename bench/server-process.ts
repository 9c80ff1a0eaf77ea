import { readdir, readFile } from 'node:fs/promises';

/** Time on a CPU of all threads of a process so far, in µs. The kernel counts it in nanoseconds. */
export async function cpuUsOf(pid: number): Promise<number> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const times = await Promise.all(
    tasks.map(async (task) => {
      // A thread may be gone by now.
      const text = await readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8').catch(() => '0');
      return Number.parseInt(text, 10);
    }),
  );
  return times.reduce((total, ns) => total + ns, 0) / 1000;
}

/** Memory of a process that is in RAM, in KB. */
export async function rssKbOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0);
}
