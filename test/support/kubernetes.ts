/** Reads Kubernetes objects from a YAML stream and checks each against the schema of its kind. */

import * as keda from "@kubernetes-models/keda/keda.sh/v1alpha1";
import * as monitoring from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import * as apps from "kubernetes-models/apps/v1";
import * as autoscaling from "kubernetes-models/autoscaling/v2";
import * as batch from "kubernetes-models/batch/v1";
import * as policy from "kubernetes-models/policy/v1";
import * as core from "kubernetes-models/v1";
import { type Document, parseAllDocuments } from "yaml";

/** An object whose schema was checked. The type is loose, because tests read single fields. */
export type KubernetesObject = ReturnType<Document["toJS"]>;

const groups = {
  v1: core,
  "apps/v1": apps,
  "autoscaling/v2": autoscaling,
  "batch/v1": batch,
  "policy/v1": policy,
  "keda.sh/v1alpha1": keda,
  "monitoring.coreos.com/v1": monitoring,
};

/** The objects by kind. Throws when one does not match its kind's schema. */
export function kubernetesObjects(yaml: string): Record<string, KubernetesObject> {
  const objects: Record<string, KubernetesObject> = {};
  for (const document of parseAllDocuments(yaml)) {
    if (document.errors.length > 0) throw document.errors[0];
    const object = document.toJS();
    if (object === null) continue;
    check(object);
    objects[object.kind] = object;
  }
  return objects;
}

interface Checkable {
  validate(): void;
}

function check(object: KubernetesObject): void {
  const group: Record<string, unknown> | undefined = Reflect.get(groups, object.apiVersion);
  const Kind = group?.[object.kind];
  if (typeof Kind !== "function") throw new Error(`no schema for ${object.apiVersion} ${object.kind}`);
  const model: Checkable = Reflect.construct(Kind, [object]);
  model.validate();
}
