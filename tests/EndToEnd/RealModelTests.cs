using System.Text.Json;

namespace AlignerOnnx.EndToEnd;

/// <summary>The same commands on a real chat model, SmolLM2-135M-Instruct as the GenAI model builder exports it to int4.</summary>
[TestClass]
public sealed class RealModelTests
{
    [TestMethod]
    public async Task SmolLM2_InspectPatchVerifyTrainGenerate_Work()
    {
        string model = Material.Shared("models", "smollm2-135m-instruct-int4");
        string folder = Material.NewTemporaryFolder();
        try
        {
            string patched = Path.Combine(folder, "patched");
            string adapter = Path.Combine(folder, "json");
            string data = Material.Shared("recipes", "smollm2-json", "train.jsonl");
            JsonElement inspected = (await AlignerProcess.RunAsync("inspect", model, "--json")).Expect(0).Document;
            Assert.AreEqual(30, inspected.GetProperty("sites").GetArrayLength());
            Assert.AreEqual(828, inspected.GetProperty("trainable_parameters").GetInt64());
            (await AlignerProcess.RunAsync("patch", model, "-o", patched)).Expect(0);
            JsonElement trained = (await AlignerProcess.RunAsync("train", "sft", model, "--data", data, "-o", adapter, "--steps", "8", "--batch-size", "4", "--learning-rate", "0.05", "--schedule", "constant", "--warm-up", "0", "--json")).Expect(0).Document;
            Assert.IsLessThan(1_200_000_000, trained.GetProperty("peak_memory_bytes").GetInt64());
            JsonElement verified = (await AlignerProcess.RunAsync("verify", patched, "--against", model, "--adapter", adapter, "--json")).Expect(0).Document;
            Assert.IsTrue(verified.GetProperty("bitwise_equal").GetBoolean());
            // The bound that float32 activations keep on this model; int8 activations are compared by likeliest token and divergence.
            Assert.IsLessThan(2e-4, verified.GetProperty("max_difference").GetDouble());
            string with = await Answer(patched, "--adapter", adapter);
            string without = await Answer(patched);
            Assert.AreNotEqual(without, with);
            StringAssert.Contains(without, "Paris");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<string> Answer(string model, params string[] more) => (await AlignerProcess.RunAsync(
        ["generate", model, "--prompt", "What is the capital of France?", "--max-tokens", "24", "--json", .. more])).Expect(0).Document.GetProperty("text").GetString()!;
}
