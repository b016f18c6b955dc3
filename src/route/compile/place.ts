// Where in the configuration the compiler is, and where it reports what is wrong there. At load, any thread.

import type { RouteTools } from '../compile.ts';

export class Place {
  readonly pointer: string;
  readonly tools: RouteTools;

  constructor(pointer: string, tools: RouteTools) {
    this.pointer = pointer;
    this.tools = tools;
  }

  at(...keys: readonly (string | number)[]): Place {
    const steps = keys.map((key) => '/' + String(key).replaceAll('~', '~0').replaceAll('/', '~1'));
    return new Place(this.pointer + steps.join(''), this.tools);
  }

  problem(message: string): void {
    this.tools.problem({ pointer: this.pointer, message });
  }

  /** Runs something that throws a sentence for the operator; a problem gives `otherwise`. */
  attempt<T>(run: () => T, otherwise: T): T {
    try {
      return run();
    } catch (error) {
      this.problem(error instanceof Error ? error.message : String(error));
      return otherwise;
    }
  }
}
