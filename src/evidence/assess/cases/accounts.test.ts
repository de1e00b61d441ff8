/** Assertions about principals, their owners, grants and reviews, each made to pass and to fail by what people do. */
import { testCases } from '../cases.fixture.ts';
import { ACCOUNT_CASES } from './accounts.fixture.ts';

testCases(ACCOUNT_CASES);
