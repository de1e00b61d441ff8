/** Statements that no scope can allow, each with the reason that the client reads. */

const CODE = 'defines code that would run with rights of its own';
const RIGHTS = 'changes who may do what, which is for the database administrators';
const SERVER = 'changes the server or its databases, which is for the database administrators';
const OUTSIDE = 'reaches outside this database';

const REFUSED: Readonly<Record<string, readonly [name: string, why: string]>> = {
  DoStmt: ['DO', 'runs code that cannot be seen'],
  CreateFunctionStmt: ['CREATE FUNCTION', CODE],
  AlterFunctionStmt: ['ALTER FUNCTION', CODE],
  CreateTrigStmt: ['CREATE TRIGGER', CODE],
  CreateEventTrigStmt: ['CREATE EVENT TRIGGER', CODE],
  AlterEventTrigStmt: ['ALTER EVENT TRIGGER', CODE],
  RuleStmt: ['CREATE RULE', CODE],
  CreatePLangStmt: ['CREATE LANGUAGE', CODE],
  CreateCastStmt: ['CREATE CAST', CODE],
  CreateTransformStmt: ['CREATE TRANSFORM', CODE],
  CreateConversionStmt: ['CREATE CONVERSION', CODE],
  CreateAmStmt: ['CREATE ACCESS METHOD', CODE],
  CreateOpClassStmt: ['CREATE OPERATOR CLASS', CODE],
  CreateOpFamilyStmt: ['CREATE OPERATOR FAMILY', CODE],
  AlterOpFamilyStmt: ['ALTER OPERATOR FAMILY', CODE],
  AlterOperatorStmt: ['ALTER OPERATOR', CODE],
  DefineStmt: ['CREATE AGGREGATE, OPERATOR, TYPE, COLLATION or TEXT SEARCH', CODE],
  CreateRangeStmt: ['CREATE TYPE ... AS RANGE', CODE],
  AlterTypeStmt: ['ALTER TYPE ... SET', CODE],
  AlterDomainStmt: ['ALTER DOMAIN', 'changes checks on columns that its text does not name'],
  CreateExtensionStmt: ['CREATE EXTENSION', CODE],
  AlterExtensionStmt: ['ALTER EXTENSION', CODE],
  AlterExtensionContentsStmt: ['ALTER EXTENSION', CODE],
  AlterObjectDependsStmt: ['ALTER ... DEPENDS ON EXTENSION', CODE],
  AlterTSDictionaryStmt: ['ALTER TEXT SEARCH DICTIONARY', CODE],
  AlterTSConfigurationStmt: ['ALTER TEXT SEARCH CONFIGURATION', CODE],
  AlterCollationStmt: ['ALTER COLLATION', SERVER],
  CreateStatsStmt: ['CREATE STATISTICS', SERVER],
  AlterStatsStmt: ['ALTER STATISTICS', SERVER],
  LoadStmt: ['LOAD', 'loads code into the server'],
  GrantStmt: ['GRANT or REVOKE', RIGHTS],
  GrantRoleStmt: ['GRANT or REVOKE', RIGHTS],
  AlterDefaultPrivilegesStmt: ['ALTER DEFAULT PRIVILEGES', RIGHTS],
  CreateRoleStmt: ['CREATE ROLE', RIGHTS],
  AlterRoleStmt: ['ALTER ROLE', RIGHTS],
  AlterRoleSetStmt: ['ALTER ROLE ... SET', RIGHTS],
  DropRoleStmt: ['DROP ROLE', RIGHTS],
  AlterOwnerStmt: ['ALTER ... OWNER TO', RIGHTS],
  DropOwnedStmt: ['DROP OWNED', RIGHTS],
  ReassignOwnedStmt: ['REASSIGN OWNED', RIGHTS],
  CreatePolicyStmt: ['CREATE POLICY', RIGHTS],
  AlterPolicyStmt: ['ALTER POLICY', RIGHTS],
  SecLabelStmt: ['SECURITY LABEL', RIGHTS],
  AlterSystemStmt: ['ALTER SYSTEM', SERVER],
  CheckPointStmt: ['CHECKPOINT', SERVER],
  CreatedbStmt: ['CREATE DATABASE', SERVER],
  DropdbStmt: ['DROP DATABASE', SERVER],
  AlterDatabaseStmt: ['ALTER DATABASE', SERVER],
  AlterDatabaseSetStmt: ['ALTER DATABASE ... SET', SERVER],
  AlterDatabaseRefreshCollStmt: ['ALTER DATABASE', SERVER],
  CreateTableSpaceStmt: ['CREATE TABLESPACE', SERVER],
  DropTableSpaceStmt: ['DROP TABLESPACE', SERVER],
  AlterTableSpaceOptionsStmt: ['ALTER TABLESPACE', SERVER],
  AlterTableMoveAllStmt: ['ALTER ... ALL IN TABLESPACE', SERVER],
  CreateFdwStmt: ['CREATE FOREIGN DATA WRAPPER', OUTSIDE],
  AlterFdwStmt: ['ALTER FOREIGN DATA WRAPPER', OUTSIDE],
  CreateForeignServerStmt: ['CREATE SERVER', OUTSIDE],
  AlterForeignServerStmt: ['ALTER SERVER', OUTSIDE],
  CreateForeignTableStmt: ['CREATE FOREIGN TABLE', OUTSIDE],
  ImportForeignSchemaStmt: ['IMPORT FOREIGN SCHEMA', OUTSIDE],
  CreateUserMappingStmt: ['CREATE USER MAPPING', OUTSIDE],
  AlterUserMappingStmt: ['ALTER USER MAPPING', OUTSIDE],
  DropUserMappingStmt: ['DROP USER MAPPING', OUTSIDE],
  CreatePublicationStmt: ['CREATE PUBLICATION', OUTSIDE],
  AlterPublicationStmt: ['ALTER PUBLICATION', OUTSIDE],
  CreateSubscriptionStmt: ['CREATE SUBSCRIPTION', OUTSIDE],
  AlterSubscriptionStmt: ['ALTER SUBSCRIPTION', OUTSIDE],
  DropSubscriptionStmt: ['DROP SUBSCRIPTION', OUTSIDE],
};

export interface RefusedStatement {
  readonly name: string;
  readonly reason: string;
}

/** Node type → what it is called and why it is never allowed. */
export const REFUSED_STATEMENTS: ReadonlyMap<string, RefusedStatement> = new Map(
  Object.entries(REFUSED).map(([type, [name, why]]) => [
    type,
    { name, reason: `${name} is never allowed through Postern: it ${why}` },
  ]),
);
