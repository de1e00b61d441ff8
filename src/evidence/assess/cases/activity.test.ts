/** Assertions about sessions, commands and credentials. */
import { testCases } from '../cases.fixture.ts';
import { ACTIVITY_CASES } from './activity.fixture.ts';

testCases(ACTIVITY_CASES);
