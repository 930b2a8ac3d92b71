// The skills of handoff.yaml: what people have and what rules require of them.

import * as z from 'zod';
import { MAX_SKILLS } from '../core/directory.js';

export const skills = z
  .array(z.string().trim().min(1, 'name the skill').max(100))
  .max(MAX_SKILLS, `name at most ${MAX_SKILLS} skills`);
