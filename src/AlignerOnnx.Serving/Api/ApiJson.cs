using System.Text.Json;
using System.Text.Json.Serialization;

namespace AlignerOnnx.Serving;

/// <summary>Reads and writes the API's bodies with code generated at build.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    NumberHandling = JsonNumberHandling.Strict, MaxDepth = 32)]
[JsonSerializable(typeof(ChatCompletionRequest))]
[JsonSerializable(typeof(CompletionRequest))]
[JsonSerializable(typeof(Completion))]
[JsonSerializable(typeof(ChatCompletion))]
[JsonSerializable(typeof(ChatCompletionChunk))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelCard))]
[JsonSerializable(typeof(ErrorBody))]
[JsonSerializable(typeof(Health))]
[JsonSerializable(typeof(ListObject<AdapterObject>), TypeInfoPropertyName = "ListObjectAdapterObject")]
[JsonSerializable(typeof(ListObject<AdapterVersionObject>), TypeInfoPropertyName = "ListObjectAdapterVersionObject")]
[JsonSerializable(typeof(GatesObject))]
[JsonSerializable(typeof(DeletedObject))]
[JsonSerializable(typeof(VersionChoice))]
[JsonSerializable(typeof(LoraRequest))]
[JsonSerializable(typeof(LoraLoadRequest))]
[JsonSerializable(typeof(FileObject))]
[JsonSerializable(typeof(ListObject<FileObject>), TypeInfoPropertyName = "ListObjectFileObject")]
[JsonSerializable(typeof(JobRequest))]
[JsonSerializable(typeof(JobObject))]
[JsonSerializable(typeof(ListObject<JobObject>), TypeInfoPropertyName = "ListObjectJobObject")]
[JsonSerializable(typeof(ListObject<JobEventObject>), TypeInfoPropertyName = "ListObjectJobEventObject")]
[JsonSerializable(typeof(ListObject<JobCheckpointObject>), TypeInfoPropertyName = "ListObjectJobCheckpointObject")]
[JsonSerializable(typeof(Dictionary<string, string>))]
[JsonSerializable(typeof(Dictionary<string, double>))]
internal sealed partial class ApiJson : JsonSerializerContext;
