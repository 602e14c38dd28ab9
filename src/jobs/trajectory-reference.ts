import { patientRecord } from '../outcomes/record.ts';
import type { Registry } from '../outcomes/registry.ts';
import { closedCourses, trajectoryReference, type ClosedCourse } from '../outcomes/trajectory-reference.ts';
import { readCaseload } from '../store/caseload.ts';
import type { Database } from '../store/database.ts';
import { serviceVisibility } from '../store/shipped.ts';
import { storeTrajectoryReference, type NewestReference } from '../store/trajectory-references.ts';
import type { Job } from './schedule.ts';

export interface ReferenceOptions {
  readonly database: Database;
  readonly registry: Registry;
  /** Time zone of the deployment. */
  readonly zone: string;
  /** What this process derives with: it has the result at once, others within its time to live. */
  readonly newest: NewestReference;
}

/** Closed episodes come slowly. */
const everyMs = 24 * 3_600_000;

/**
 * Computes the reference of the expected course from the closed episodes of the deployment (docs/clinical.md 3.7) and stores it as a
 * new version where it changed. It reads the record in batches and keeps of each episode only its numbers.
 */
export function trajectoryReferenceJob({ database, registry, zone, newest }: ReferenceOptions): Job {
  return {
    name: 'trajectory-reference',
    everyMs,
    async run(_at, signal) {
      const courses = new Map<string, ClosedCourse[]>();
      for await (const batch of readCaseload(database, serviceVisibility, { types: [], withEpisode: true })) {
        signal.throwIfAborted();
        for (const { entries } of batch) {
          for (const [key, course] of closedCourses(patientRecord(entries, zone), registry)) {
            const list = courses.get(key);
            if (list === undefined) courses.set(key, [course]);
            else list.push(course);
          }
        }
      }
      // The version is given by the store.
      await storeTrajectoryReference(database, trajectoryReference(courses, registry, '').scales);
      await newest.refresh();
    },
  };
}
