/** Assertions about what was asked for and agreed to, authorities, what was found at resources, and rights. */
import { testCases } from '../cases.fixture.ts';
import { UPSTREAM_CASES } from './upstream.fixture.ts';

testCases(UPSTREAM_CASES);
