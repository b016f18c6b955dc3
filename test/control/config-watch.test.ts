import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ConfigWatch } from '../../src/control/config-watch.ts';
import { systemTimers } from '../../src/core/host-timer.ts';

/** A watch in a directory of its own, quick to settle, and a promise of the next report. `pollMs` large: events alone must do. */
async function setUp(test: { teardown(after: () => unknown): unknown }, path: (dir: string) => string, pollMs = 3_600_000) {
  const dir = mkdtempSync(join(tmpdir(), 'nuncio-watch-'));
  const file = path(dir);
  let reports = 0;
  let wake: () => void = () => undefined;
  const watch = new ConfigWatch({
    path: file,
    timers: systemTimers,
    pollMs,
    settleMs: 5,
    onChange: () => {
      reports++;
      wake();
    },
  });
  await watch.start();
  const alive = setInterval(() => undefined, 1000); // the watch itself keeps no process alive
  test.teardown(() => {
    clearInterval(alive);
    watch.close();
    rmSync(dir, { recursive: true });
  });
  return {
    dir,
    file,
    get reports() {
      return reports;
    },
    changed: () => new Promise<void>((resolve) => (wake = resolve)),
  };
}

function plainFile(dir: string): string {
  writeFileSync(join(dir, 'a.json'), '1');
  return join(dir, 'a.json');
}

/** As the kubelet mounts a ConfigMap: a.json → ..data/a.json, ..data → ..v1. */
function configMap(dir: string): string {
  mkdirSync(join(dir, '..v1'));
  writeFileSync(join(dir, '..v1', 'a.json'), '1');
  symlinkSync('..v1', join(dir, '..data'));
  symlinkSync(join('..data', 'a.json'), join(dir, 'a.json'));
  return join(dir, 'a.json');
}

function swapConfigMap(dir: string, from: string, to: string, content: string): void {
  mkdirSync(join(dir, to));
  writeFileSync(join(dir, to, 'a.json'), content);
  symlinkSync(to, join(dir, '..data_tmp'));
  renameSync(join(dir, '..data_tmp'), join(dir, '..data'));
  rmSync(join(dir, from), { recursive: true });
}

t.test('an edit in place', async (t) => {
  const w = await setUp(t, plainFile);
  for (const content of ['22', '333']) {
    const changed = w.changed();
    writeFileSync(w.file, content);
    await changed;
  }
  t.equal(w.reports, 2);
});

t.test('a replacement by rename, twice: the watch follows the new file', async (t) => {
  const w = await setUp(t, plainFile);
  for (const content of ['2', '3']) {
    const changed = w.changed();
    writeFileSync(join(w.dir, 'a.json.tmp'), content);
    renameSync(join(w.dir, 'a.json.tmp'), w.file);
    await changed;
  }
  t.equal(w.reports, 2);
});

t.test('a file that is moved away and written anew, as some editors do', async (t) => {
  const w = await setUp(t, plainFile);
  const changed = w.changed();
  renameSync(w.file, `${w.file}~`);
  writeFileSync(w.file, '2');
  await changed;
  t.equal(w.reports, 1);
});

t.test('a ConfigMap swap, twice', async (t) => {
  const w = await setUp(t, configMap);
  let changed = w.changed();
  swapConfigMap(w.dir, '..v1', '..v2', '2');
  await changed;
  changed = w.changed();
  swapConfigMap(w.dir, '..v2', '..v3', '3');
  await changed;
  t.equal(w.reports, 2);
});

t.test('a link swapped further above: current → releases/1', async (t) => {
  const w = await setUp(t, (dir) => {
    for (const release of ['1', '2']) {
      mkdirSync(join(dir, 'releases', release, 'etc'), { recursive: true });
      writeFileSync(join(dir, 'releases', release, 'etc', 'a.json'), release);
    }
    symlinkSync(join('releases', '1'), join(dir, 'current'));
    return join(dir, 'current', 'etc', 'a.json');
  });
  const changed = w.changed();
  symlinkSync(join('releases', '2'), join(w.dir, 'new'));
  renameSync(join(w.dir, 'new'), join(w.dir, 'current'));
  await changed;
  t.equal(w.reports, 1);
});

t.test('without any event the regular look finds the change', async (t) => {
  // The directory of the link's target is replaced as a whole, above everything that is watched.
  const w = await setUp(
    t,
    (dir) => {
      mkdirSync(join(dir, 'x', 'y'), { recursive: true });
      writeFileSync(join(dir, 'x', 'y', 'a.json'), '1');
      return join(dir, 'x', 'y', 'a.json');
    },
    5,
  );
  const changed = w.changed();
  renameSync(join(w.dir, 'x'), join(w.dir, 'old'));
  mkdirSync(join(w.dir, 'x', 'y'), { recursive: true });
  writeFileSync(w.file, '2');
  await changed;
  t.equal(w.reports, 1);
});

t.test('many writes in one go are one report, and another file of the directory is none', async (t) => {
  const w = await setUp(t, plainFile);
  const changed = w.changed();
  writeFileSync(join(w.dir, 'other.json'), 'x');
  for (let i = 0; i < 20; i++) writeFileSync(w.file, 'x'.repeat(i));
  await changed;
  t.equal(w.reports, 1);
});

t.test('a file that is gone is not reported; its return is', async (t) => {
  const w = await setUp(t, plainFile, 5);
  const changed = w.changed();
  rmSync(w.file);
  writeFileSync(w.file, 'back');
  utimesSync(w.file, 1, 1);
  await changed;
  t.equal(w.reports, 1);
});
