using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using AlignerOnnx.Graph;

namespace AlignerOnnx.TestMaterial;

/// <summary>One case of the golden vectors: arrays and tolerances of the independent PyTorch reference. Reads safetensors by itself, so that a fault of the product's reader cannot hide.</summary>
public sealed class GoldenCase
{
    private readonly JsonDocument _facts;
    private readonly Dictionary<string, (long[] Shape, string Type, byte[] Data)> _arrays = new(StringComparer.Ordinal);

    private GoldenCase(string folder)
    {
        Name = $"{Path.GetFileName(Path.GetDirectoryName(folder))}/{Path.GetFileName(folder)}";
        _facts = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "case.json")));
        ReadArrays(File.ReadAllBytes(Path.Combine(folder, "arrays.safetensors")));
    }

    public string Name { get; }

    public int StartLayer => _facts.RootElement.GetProperty("start_layer").GetInt32();

    public int Tokens => _facts.RootElement.GetProperty("n").GetInt32();

    /// <summary>Whether the case has gates: of the concat cases none has.</summary>
    public bool IsGated => _arrays.ContainsKey("gates");

    public bool HasAdamW => _arrays.ContainsKey("adamw.losses");

    /// <summary>
    /// Every case that the project follows, as rows of a model and a case; one row that skips where the shared folder is absent. The reference also has what the project decided against:
    /// scores of tokens that are not soft-capped.
    /// </summary>
    public static IEnumerable<object[]> All => Material.HasShared
        ? from folder in Directory.GetDirectories(Material.Shared("golden")).Order(StringComparer.Ordinal)
          let model = Path.GetFileName(folder)
          where Directory.Exists(ModelFolder(model))
          from name in Names(model)
          where !name.EndsWith("-nosoftcap", StringComparison.Ordinal)
          select new object[] { model, name }
        : [["(none)", "(none)"]];

    public static GoldenCase Load(string model, string name) => new(Material.Shared("golden", model, name));

    /// <summary>The cases of a model whose name starts with a prefix; empty where the shared folder is absent.</summary>
    public static IEnumerable<string> Names(string model, string prefix = "") => Material.HasShared
        ? Directory.GetDirectories(Material.Shared("golden", model), prefix + "*").Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)
        : [];

    /// <summary>The folder of the model that a golden folder names.</summary>
    public static string ModelFolder(string model) => model == "SmolLM2-135M-Instruct-int4"
        ? Material.Shared("models", "smollm2-135m-instruct-int4")
        : Material.Shared("exports", "reference-models", model);

    /// <summary>The model of a case. The exporter dropped Mistral's window of 8; for the cases that have it, it is put back.</summary>
    public static OnnxModel LoadModel(string model, string name)
    {
        OnnxModel loaded = ModelLoader.Load(ModelFolder(model));
        if (model == "ref-mistral-sw8" && !name.EndsWith("-nowindow", StringComparison.Ordinal))
        {
            foreach (Node core in loaded.Graph.Nodes.Where(node => node.OpType == "GroupQueryAttention"))
            {
                core.Attributes.Set(NodeAttributes.Of("local_window_size", 8L));
            }
        }
        return loaded;
    }

    public bool Has(string array) => _arrays.ContainsKey(array);

    public long[] Shape(string array) => _arrays[array].Shape;

    public float[] Singles(string array) => _arrays[array] is { Type: "F32" } found ? MemoryMarshal.Cast<byte, float>(found.Data).ToArray() : throw new InvalidDataException($"{array} is not F32");

    public long[] Int64s(string array) => _arrays[array] is { Type: "I64" } found ? MemoryMarshal.Cast<byte, long>(found.Data).ToArray() : throw new InvalidDataException($"{array} is not I64");

    /// <summary>The absolute tolerance that the case states for an array.</summary>
    public double Tolerance(string array) => _facts.RootElement.GetProperty("tolerance").GetProperty(array).GetProperty("atol").GetDouble();

    /// <summary>How far the reference's own logits move when it computes in float16.</summary>
    public double Float16Difference => _facts.RootElement.GetProperty("float16_logits_max_diff").GetDouble();

    public double Scalar(string name) => _facts.RootElement.GetProperty("scalars_float64").GetProperty(name).GetDouble();

    public double AdamW(string setting) => _facts.RootElement.GetProperty("adamw").GetProperty(setting).GetDouble();

    private void ReadArrays(byte[] file)
    {
        int header = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        using JsonDocument entries = JsonDocument.Parse(Encoding.UTF8.GetString(file, 8, header));
        foreach (JsonProperty entry in entries.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__"))
        {
            int first = entry.Value.GetProperty("data_offsets")[0].GetInt32();
            int last = entry.Value.GetProperty("data_offsets")[1].GetInt32();
            long[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(dimension => dimension.GetInt64())];
            _arrays.Add(entry.Name, (shape, entry.Value.GetProperty("dtype").GetString()!, file[(8 + header + first)..(8 + header + last)]));
        }
    }
}
