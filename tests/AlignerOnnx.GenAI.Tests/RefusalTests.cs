using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

[TestClass]
public sealed class RefusalTests
{
    private readonly string _folder = Material.NewTemporaryFolder();

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Load_NoFolderOrNoConfiguration_IsRefused()
    {
        Assert.ThrowsExactly<ModelRefusedException>(() => new ChatModel(Path.Combine(_folder, "missing")));
        ModelRefusedException e = Assert.ThrowsExactly<ModelRefusedException>(() => new ChatModel(_folder));
        Assert.IsNotNull(e.Remedy);
    }

    [TestMethod]
    [DataRow("{")]
    [DataRow("[]")]
    [DataRow("{\"model\":{}}")]
    [DataRow("{\"model\":{\"context_length\":\"long\",\"decoder\":{\"filename\":\"model.onnx\"}}}")]
    [DataRow("{\"model\":{\"context_length\":512,\"decoder\":{\"filename\":\"../model.onnx\"}}}")]
    [DataRow("{\"model\":{\"context_length\":512,\"decoder\":{\"filename\":\"model.onnx\",\"session_options\":{\"custom_ops_library\":\"evil.so\"}}}}")]
    public void Load_BadConfiguration_IsRefused(string json)
    {
        CopyPocket();
        File.WriteAllText(Path.Combine(_folder, "genai_config.json"), json);
        Assert.ThrowsExactly<ModelRefusedException>(() => new ChatModel(_folder));
    }

    [TestMethod]
    public void Load_ModelForADeviceWithoutItsLibrary_SaysWhatToDo()
    {
        string folder = Material.Shared("exports", "builder-0.18", "llama3-fp16-cuda");
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => new ChatModel(folder));
        StringAssert.Contains(refusal.Remedy, "provider_options");
    }

    [TestMethod]
    public void Load_DecoderIsNotOnnx_IsRefused()
    {
        CopyPocket();
        File.WriteAllText(Path.Combine(_folder, "model.onnx"), "this is no model at all");
        Assert.ThrowsExactly<ModelRefusedException>(() => new ChatModel(_folder));
    }

    [TestMethod]
    public void Load_WeightsCutShort_IsRefused()
    {
        CopyPocket();
        using (FileStream weights = File.OpenWrite(Path.Combine(_folder, "model.onnx.data")))
        {
            weights.SetLength(1000);
        }
        Assert.ThrowsExactly<ModelRefusedException>(() => new ChatModel(_folder));
    }

    [TestMethod]
    public void LoadAdapter_MissingOrForeignFile_IsRefused()
    {
        using ChatModel model = new(Material.Pocket());
        string file = Path.Combine(_folder, "a.onnx_adapter");
        Assert.ThrowsExactly<AdapterRefusedException>(() => model.LoadAdapter("a", file));
        File.WriteAllText(file, "GIF89a, certainly not an adapter");
        Assert.ThrowsExactly<AdapterRefusedException>(() => model.LoadAdapter("a", file));
        Assert.IsEmpty(model.Adapters);
    }

    [TestMethod]
    public void LoadAdapter_ModelWithoutSlots_IsRefusedWithTheRemedy()
    {
        using ChatModel model = new(Material.Pocket());
        string file = CompiledAdapter.Write(_folder, "aligner.delta", 1, [1, 6, 128], new byte[6 * 128 * 4]);
        AdapterRefusedException e = Assert.ThrowsExactly<AdapterRefusedException>(() => model.LoadAdapter("a", file));
        StringAssert.Contains(e.Remedy, "aligner patch");
    }

    [TestMethod]
    public void LoadAdapter_AnyByteFlipped_NeverCrashes()
    {
        using ChatModel model = new(Material.Pocket());
        string file = CompiledAdapter.Write(_folder, "aligner.delta", 1, [1, 2, 4], new byte[32]);
        byte[] good = File.ReadAllBytes(file);
        for (int i = 0; i < good.Length; i++)
        {
            byte[] bad = [.. good];
            bad[i] ^= 0xFF;
            File.WriteAllBytes(file, bad);
            Assert.ThrowsExactly<AdapterRefusedException>(() => model.LoadAdapter("a", file), $"byte {i}");
            File.WriteAllBytes(file, good[..i]);
            Assert.ThrowsExactly<AdapterRefusedException>(() => model.LoadAdapter("a", file), $"cut at {i}");
        }
    }

    private void CopyPocket()
    {
        foreach (string file in Directory.EnumerateFiles(Material.Pocket()))
        {
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        }
    }
}
