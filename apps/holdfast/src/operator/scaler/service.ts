// Owns: the messages of KEDA's external scaler, as its public interface has them.
import {
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";

/** Who asks: a ScaledObject, and the metadata of its trigger. */
export interface ScaledObjectRef {
  readonly name: string;
  readonly namespace: string;
  readonly scalerMetadata: Readonly<Record<string, string>>;
}

export interface IsActiveResponse {
  readonly result: boolean;
}

export interface GetMetricSpecResponse {
  readonly metricSpecs: readonly {
    readonly metricName: string;
    readonly targetSize: number;
    readonly targetSizeFloat: number;
  }[];
}

export interface GetMetricsRequest {
  readonly scaledObjectRef: ScaledObjectRef | null;
  readonly metricName: string;
}

export interface GetMetricsResponse {
  readonly metricValues: readonly {
    readonly metricName: string;
    readonly metricValue: number;
    readonly metricValueFloat: number;
  }[];
}

const ref = "ScaledObjectRef";
const field = (id: number, type: string) => ({ id, type });
const listed = (id: number, type: string) => ({ id, type, rule: "repeated" as const });
const call = (requestType: string, responseType: string) => ({ requestType, responseType });

/** Maps and methods without a comment are missing in the types of the library. */
type Definition = Parameters<typeof fromJSON>[0];

const DEFINITION = fromJSON(
  {
    nested: {
      externalscaler: {
        nested: {
          ExternalScaler: {
            methods: {
              IsActive: call(ref, "IsActiveResponse"),
              StreamIsActive: { ...call(ref, "IsActiveResponse"), responseStream: true },
              GetMetricSpec: call(ref, "GetMetricSpecResponse"),
              GetMetrics: call("GetMetricsRequest", "GetMetricsResponse"),
              StreamMetricSpec: { ...call(ref, "GetMetricSpecResponse"), responseStream: true },
            },
          },
          ScaledObjectRef: {
            fields: {
              name: field(1, "string"),
              namespace: field(2, "string"),
              scalerMetadata: { ...field(3, "string"), keyType: "string" },
            },
          },
          IsActiveResponse: { fields: { result: field(1, "bool") } },
          GetMetricSpecResponse: { fields: { metricSpecs: listed(1, "MetricSpec") } },
          MetricSpec: {
            fields: {
              metricName: field(1, "string"),
              targetSize: field(2, "int64"),
              targetSizeFloat: field(3, "double"),
            },
          },
          GetMetricsRequest: {
            fields: { scaledObjectRef: field(1, ref), metricName: field(2, "string") },
          },
          GetMetricsResponse: { fields: { metricValues: listed(1, "MetricValue") } },
          MetricValue: {
            fields: {
              metricName: field(1, "string"),
              metricValue: field(2, "int64"),
              metricValueFloat: field(3, "double"),
            },
          },
        },
      },
    },
  } as object as Definition,
  { defaults: true, longs: Number },
);

/** The service `externalscaler.ExternalScaler`: its definition, and a client for it. */
export const ExternalScaler = serviceOf(loadPackageDefinition(DEFINITION));

function serviceOf({ externalscaler }: GrpcObject): ServiceClientConstructor {
  return (externalscaler as GrpcObject).ExternalScaler as ServiceClientConstructor;
}
