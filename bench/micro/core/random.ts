// Random: one draw for a routing fraction.

import { Random } from '../../../src/core/random.ts';
import { measure } from '../../measure.ts';

const random = new Random([1, 2, 3, 4]);
let sum = 0;

measure('unit draw', (times) => {
  for (let i = 0; i < times; i++) sum += random.unit();
});

if (sum === Infinity) console.log(sum);
