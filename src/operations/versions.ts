import { canonicalBase } from '../fhir/canonical.ts';
import { inputsOf, refuseUnknown } from './input.ts';
import type { Operation } from './operation.ts';

/**
 * `$versions` (http://hl7.org/fhir/R4/capabilitystatement-operation-versions.html): the versions of FHIR that are spoken
 * here, as `major.minor`, and the one that answers when `Accept` names none.
 */
export const versions: Operation = {
  level: 'system',
  needs: [],
  definition: `${canonicalBase}/OperationDefinition/versions`,
  async run(context, call, body) {
    refuseUnknown(context, call, inputsOf(call, body), []);
    return { status: 200, body: JSON.stringify({ resourceType: 'Parameters', parameter: [{ name: 'version', valueCode: '4.0' }, { name: 'default', valueCode: '4.0' }] }) };
  },
};
