using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using AlignerOnnx.Adapters;
using AlignerOnnx.GenAI;
using AlignerOnnx.GenAI.Tests;
using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Malformed adapters by hand: each is refused with its reason, by the reader itself and by the server, and none makes the reader allocate for sizes that it only claims.</summary>
[TestClass]
public sealed class MalformedAdapterTests
{
    // What reading and refusing may need besides the file: exceptions, messages, the JSON reader.
    private const long Allowance = 512 << 10;

    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static readonly Dictionary<string, (Action<string> Make, string Reason)> s_cases = new(StringComparer.Ordinal);
    private static RunningServer s_server = null!;
    private static ChatModel s_model = null!;

    public static IEnumerable<object[]> Names => [.. Cases().Select(each => new object[] { each.Name })];

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        PatchedPocket.Write(Path.Combine(s_folder, "model"));
        SampleAdapter.Write(Path.Combine(s_folder, "sound"), Path.Combine(s_folder, "model"));
        foreach ((string name, Action<string> make, string reason) in Cases())
        {
            s_cases.Add(name, (make, reason));
        }
        Assert.IsGreaterThanOrEqualTo(40, s_cases.Count);
        s_server = await RunningServer.StartAsync(RunningServer.Pocket with { ModelFolder = Path.Combine(s_folder, "model"), BaseModelName = "pocket" });
        s_model = new ChatModel(Path.Combine(s_folder, "model"));
        // Once unmeasured, so that what code is compiled on first use is not counted.
        Assert.ThrowsExactly<AdapterRefusedException>(() => AdapterPackage.Load(s_folder));
    }

    [ClassCleanup]
    public static async Task Stop()
    {
        s_model.Dispose();
        await s_server.DisposeAsync();
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public async Task Malformed_IsRefusedWithItsReasonAndAllocatesNoMoreThanItsSize(string name)
    {
        (Action<string> make, string reason) = s_cases[name];
        string folder = Path.Combine(s_folder, name);
        Directory.CreateDirectory(folder);
        make(folder);
        string[] compiled = Directory.GetFiles(folder, "*.onnx_adapter");
        long size = Directory.GetFiles(folder).Sum(file => new FileInfo(file).Length);
        long before = GC.GetAllocatedBytesForCurrentThread();
        AdapterRefusedException e = Assert.ThrowsExactly<AdapterRefusedException>(() =>
        {
            if (compiled is [var file])
            {
                s_model.LoadAdapter(name, file);
            }
            else
            {
                AdapterPackage.Load(folder);
            }
        });
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        StringAssert.Contains(e.Message, reason);
        Assert.IsLessThanOrEqualTo(Allowance + (8 * size), allocated, $"{allocated} bytes allocated for {size}");

        using AdapterClient client = new(s_server.Address);
        AdapterRefusedException served = await Assert.ThrowsExactlyAsync<AdapterRefusedException>(() => client.PushAsync(compiled is [var one] ? one : folder, "never"));
        StringAssert.Contains(served.Message, reason);
    }

    private static IEnumerable<(string Name, Action<string> Make, string Reason)> Cases() => [.. Configurations(), .. Tensors(), .. Compiled()];

    private static IEnumerable<(string Name, Action<string> Make, string Reason)> Configurations()
    {
        yield return Config("config-empty", "", "configuration is malformed");
        yield return Config("config-null", "null", "configuration is malformed");
        yield return Config("config-array", "[]", "configuration is malformed");
        yield return Config("config-cut", "{\"peft_type\":\"ALIG", "configuration is malformed");
        yield return Config("config-no-keys", "{}", "configuration is malformed");
        yield return Config("config-twice", "{\"num_tokens\":1,\"num_tokens\":2}", "configuration is malformed");
        yield return Config("config-deep", new string('[', 5000), "configuration is malformed");
        yield return Config("config-huge-number", "{\"num_tokens\":1e400}", "configuration is malformed");
        yield return Changed("peft-type", "peft_type", "LORA", "peft_type LORA");
        yield return Changed("format-version", "format_version", 2, "format_version 2");
        yield return Changed("attention", "attention", "linear", "attention linear");
        yield return Changed("no-tokens", "num_tokens", 0, "num_tokens 0");
        yield return Changed("too-many-tokens", "num_tokens", 1_000_000, "num_tokens 1000000");
        yield return Changed("negative-start", "start_layer", -1, "start_layer -1");
        yield return Changed("start-beyond", "start_layer", 6, "start_layer 6");
        yield return Changed("no-layers", "num_layers", 0, "num_layers 0");
        yield return Changed("hidden-zero", "hidden_size", 0, "hidden_size 0");
        yield return Changed("hidden-huge", "hidden_size", int.MaxValue, "hidden_size");
        yield return Changed("heads-uneven", "num_kv_heads", 3, "num_kv_heads 3");
        yield return Changed("kv-zero", "num_kv_heads", 0, "num_kv_heads 0");
        yield return Changed("head-dim-negative", "head_dim", -64, "head_dim -64");
        yield return Changed("tokens-not-as-stored", "num_tokens", 4096, "tokens do not fit");
        yield return Changed("layers-not-as-stored", "num_layers", 4096, "gates do not fit");
        yield return Changed("text-for-number", "num_tokens", "one", "configuration is malformed");
    }

    private static IEnumerable<(string Name, Action<string> Make, string Reason)> Tensors()
    {
        yield return Stored("tensors-empty", _ => [], "adapter_model.safetensors");
        yield return Stored("tensors-seven-bytes", file => file[..7], "adapter_model.safetensors");
        yield return Stored("tensors-header-length-max", file => WithLength(file, ulong.MaxValue), "adapter_model.safetensors");
        yield return Stored("tensors-header-length-terabyte", file => WithLength(file, 1UL << 40), "adapter_model.safetensors");
        yield return Stored("tensors-header-length-zero", file => WithLength(file, 0), "adapter_model.safetensors");
        yield return Stored("tensors-cut", file => file[..^5], "adapter_model.safetensors");
        yield return Stored("tensors-more", file => [.. file, 1, 2, 3], "adapter_model.safetensors");
        yield return Header("header-not-json", "xxxx", "adapter_model.safetensors");
        yield return Header("header-array", "[]", "adapter_model.safetensors");
        yield return Header("header-no-tensors", "{}", "holds other tensors");
        yield return Header("header-shape-huge", """{"tokens":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,4]}}""", "adapter_model.safetensors");
        yield return Header("header-shape-negative", """{"tokens":{"dtype":"F32","shape":[-1,128],"data_offsets":[0,4]}}""", "adapter_model.safetensors");
        yield return Header("header-offsets-beyond", """{"tokens":{"dtype":"F32","shape":[1],"data_offsets":[0,4000000000]}}""", "adapter_model.safetensors");
        yield return Header("header-offsets-backwards", """{"tokens":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}""", "adapter_model.safetensors");
        yield return Header("header-offsets-one", """{"tokens":{"dtype":"F32","shape":[1],"data_offsets":[4]}}""", "1 data_offsets");
        yield return Header("header-unknown-type", """{"tokens":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}""", "adapter_model.safetensors");
        yield return Stored("tensors-not-finite", file => [.. file[..^4], 0, 0, 0x80, 0x7f], "not finite");
        yield return ("tensors-missing", folder => { Copy(folder); File.Delete(Path.Combine(folder, AdapterPackage.TensorFile)); }, "adapter_model.safetensors");
    }

    private static IEnumerable<(string Name, Action<string> Make, string Reason)> Compiled()
    {
        byte[] values = new byte[PatchedPocket.Layers * PatchedPocket.HiddenSize * 4];
        long[] dimensions = [1, PatchedPocket.Layers, PatchedPocket.HiddenSize];
        yield return File1("compiled-empty", _ => [], "TORT");
        yield return File1("compiled-other-identifier", file => { file[5] ^= 0xff; return file; }, "TORT");
        yield return File1("compiled-cut", file => file[..(file.Length / 2)], "damaged");
        yield return File1("compiled-root-beyond", file => { BinaryPrimitives.WriteUInt32LittleEndian(file, 0x7fffffff); return file; }, "outside the file");
        yield return File1("compiled-root-zero", file => { BinaryPrimitives.WriteUInt32LittleEndian(file, 0); return file; }, "outside the file");
        yield return Written("compiled-other-slot", "lm_head.weight", 1, dimensions, values, "no slot of that name");
        yield return Written("compiled-other-type", "aligner.delta", 10, dimensions, values[..(values.Length / 2)], "do not fit");
        yield return Written("compiled-other-shape", "aligner.delta", 1, [1, 1, PatchedPocket.HiddenSize], values[..(PatchedPocket.HiddenSize * 4)], "do not fit");
        yield return Written("compiled-values-short", "aligner.delta", 1, dimensions, values[..^4], "bytes");
        yield return Written("compiled-dimension-negative", "aligner.delta", 1, [1, -1, PatchedPocket.HiddenSize], values, "out of range");
        yield return Written("compiled-dimension-huge", "aligner.delta", 1, [1L << 40, 1L << 40, 1], values, "out of range");
        yield return Written("compiled-dimensions-many", "aligner.delta", 1, [.. Enumerable.Repeat(1L, 1000)], values, "dimensions");
    }

    private static (string, Action<string>, string) Config(string name, string text, string reason) =>
        (name, folder => { Copy(folder); File.WriteAllText(Path.Combine(folder, AdapterPackage.ConfigFile), text); }, reason);

    private static (string, Action<string>, string) Changed(string name, string key, JsonNode value, string reason) => (name, folder =>
    {
        Copy(folder);
        string path = Path.Combine(folder, AdapterPackage.ConfigFile);
        JsonObject config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        config[key] = value.DeepClone();
        File.WriteAllText(path, config.ToJsonString());
    }, reason);

    private static (string, Action<string>, string) Stored(string name, Func<byte[], byte[]> change, string reason) => (name, folder =>
    {
        Copy(folder);
        string path = Path.Combine(folder, AdapterPackage.TensorFile);
        File.WriteAllBytes(path, change(File.ReadAllBytes(path)));
    }, reason);

    private static (string, Action<string>, string) Header(string name, string header, string reason) => Stored(name, file =>
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        byte[] length = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)text.Length);
        return [.. length, .. text, .. header == "{}" ? Array.Empty<byte>() : new byte[4]];
    }, reason);

    private static (string, Action<string>, string) File1(string name, Func<byte[], byte[]> change, string reason) => (name, folder =>
    {
        string path = PatchedPocket.WriteAdapter(folder, PatchedPocket.RandomDelta(1));
        File.WriteAllBytes(path, change(File.ReadAllBytes(path)));
    }, reason);

    private static (string, Action<string>, string) Written(string name, string slot, int type, long[] dimensions, byte[] values, string reason) =>
        (name, folder => CompiledAdapter.Write(folder, slot, type, dimensions, values), reason);

    private static byte[] WithLength(byte[] file, ulong length)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(file, length);
        return file;
    }

    private static void Copy(string folder)
    {
        foreach (string file in Directory.GetFiles(Path.Combine(s_folder, "sound")))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }
    }
}
