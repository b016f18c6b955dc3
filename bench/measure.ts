// For the scripts below bench/micro/: times one operation and prints `name: 12.3 ns`, which bench/micro.ts collects over
// several processes. A script is a list of `measure` calls; one file, one hot module.

const WARM_UP_MS = 150;
const MEASURE_MS = 400;
const BATCHES = 20;

function timeMs(run: (times: number) => void, times: number): number {
  const start = process.hrtime.bigint();
  run(times);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

/**
 * Times `run`, which does the operation `times` times in a loop of its own. The median of twenty batches is printed.
 * What the loop computes must be used (summed into a variable that outlives it), or the compiler takes it away.
 */
export function measure(name: string, run: (times: number) => void): void {
  let times = 1;
  for (let spent = 0; spent < WARM_UP_MS; times *= 2) spent += timeMs(run, times);
  const perOperation = timeMs(run, times) / times;
  const batch = Math.max(1, Math.round(MEASURE_MS / BATCHES / Math.max(perOperation, 1e-9)));
  const samples: number[] = [];
  for (let i = 0; i < BATCHES; i++) samples.push((timeMs(run, batch) / batch) * 1e6);
  samples.sort((a, b) => a - b);
  console.log(`${name}: ${(samples[BATCHES / 2] ?? 0).toFixed(2)} ns`);
}
