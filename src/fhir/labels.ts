import { codeSystem } from './canonical.ts';
import type { Meta, Resource } from './resource.ts';

const confidentiality = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const actCode = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

/** Code system of what a client shares of an entry: private, summary, all (schemas/code-systems/sharing.json, docs/access.md). */
export const sharing = codeSystem('sharing');

type Label = NonNullable<Meta['security']>[number] | null | undefined;

/** Types that are an entry itself; what is computed from an entry is its summary. */
const entries = new Set(['QuestionnaireResponse', 'DocumentReference']);

/** Who may see a labelled resource beside systems that may see everything. */
export interface Audience {
  /** Labelled (v3-Confidentiality R or V, v3-ActCode PSYTHPN): for one side only. */
  readonly restricted: boolean;
  /** That side is the client's: an entry that is kept private. Otherwise it is the clinicians'. */
  readonly private: boolean;
}

/** @returns for whom a resource of `type` with these security labels is. */
export function audienceOf(type: string, security: readonly Label[] | undefined): Audience {
  let restricted = false;
  let kept = false;
  if (Array.isArray(security)) {
    for (const { system, code } of security.map((label: Label) => label ?? {})) {
      if (system === sharing) kept ||= code === 'private' || (code === 'summary' && entries.has(type));
      else restricted ||= (system === confidentiality && (code === 'R' || code === 'V')) || (system === actCode && code === 'PSYTHPN');
    }
  }
  return { restricted: restricted || kept, private: kept };
}

/** @returns for whom `resource` is. */
export const audience = ({ resourceType, meta }: Resource): Audience => audienceOf(resourceType, meta?.security);
