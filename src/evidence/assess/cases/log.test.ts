/** Assertions about people, about what is enforced, and about the log itself. */
import { testCases } from '../cases.fixture.ts';
import { LOG_CASES } from './log.fixture.ts';

testCases(LOG_CASES);
