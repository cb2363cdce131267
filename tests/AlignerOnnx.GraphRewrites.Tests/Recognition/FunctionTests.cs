using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>Layers that an exporter wrote as model-local functions are recognised as if it had not.</summary>
[TestClass]
public sealed class FunctionTests
{
    private const string Calls = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1, "modules" : 1]>
        decoder (float[b, s, 8] x, float[b, 1, past, 4] past_key, float[b, 1, past, 4] past_value, int32[b] lengths, int32 total, bool long)
            => (float[b, s, 8] y, float[b, 1, all, 4] present_key, float[b, 1, all, 4] present_value)
            <float[8, 8] wq = ["location": "wq"], float[8, 4] wk = ["location": "wk"], float[8, 4] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"]>
        {
            o, present_key, present_value = modules.Attention <factor = 0.25> (x, past_key, past_value, lengths, total, wq, wk, wv, wo)
            c = modules.Choice (long, x)
            y = Add (x, o)
        }
        <domain: "modules", opset_import: ["" : 21, "com.microsoft" : 1, "modules" : 1]>
        Attention <factor, heads: int = 2> (x, key, value, lengths, total, wq, wk, wv, wo) => (o, all_keys, all_values)
        {
            q = modules.Linear (x, wq)
            k = modules.Linear (x, wk)
            v = modules.Linear (x, wv)
            a, all_keys, all_values = com.microsoft.GroupQueryAttention <num_heads: int = @heads, kv_num_heads = 1, scale: float = @factor, softcap: float = @absent> (q, k, v, key, value, lengths, total)
            o = modules.Linear (a, wo)
        }
        <domain: "modules", opset_import: ["" : 21]>
        Linear (x, w, unused) => (y) { y = MatMul (x, w) }
        <domain: "modules", opset_import: ["" : 21]>
        Choice (which, x) => (y) { z = Neg (x) y = If (which) <then_branch = yes () => (float t) { t = Identity (z) }, else_branch = no () => (float e) { e = Neg (x) }> }
        """;

    [TestMethod]
    public void Functions_AreExpandedWhereTheyAreCalled()
    {
        OnnxModel model = OnnxText.Load(Calls);
        AttentionSite site = RecognisedModel.Of(model).RequireSites().Single();
        Assert.AreEqual((2, 1, 4, 0.25f, 0f), (site.QueryHeads, site.KeyValueHeads, site.HeadSize, site.Scale, site.Scores.SoftCap));
        Assert.AreEqual(("o", "past_key", "present_value"), (site.End.Name, site.Cache.PastKey!.Name, site.Cache.PresentValue!.Name));
        Assert.IsEmpty(model.ToProto().Functions);
        RuleTest.AssertSame(OnnxText.Load("""
            <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
            decoder (float[b, s, 8] x, float[b, 1, past, 4] past_key, float[b, 1, past, 4] past_value, int32[b] lengths, int32 total, bool long)
                => (float[b, s, 8] y, float[b, 1, all, 4] present_key, float[b, 1, all, 4] present_value)
                <float[8, 8] wq = ["location": "wq"], float[8, 4] wk = ["location": "wk"], float[8, 4] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"]>
            {
                q = MatMul (x, wq) k = MatMul (x, wk) v = MatMul (x, wv)
                a, present_key, present_value = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1, scale = 0.25> (q, k, v, past_key, past_value, lengths, total)
                o = MatMul (a, wo) y = Add (x, o)
            }
            """), model);
    }

    [TestMethod]
    public void Branches_InAFunction_ReadTheValuesOfTheCall()
    {
        Node choice = OnnxText.Load(Calls).Graph.Nodes.Single(node => node.OpType == "If");
        Assert.AreEqual(("long", "c"), (choice.Input(0)!.Name, choice.Output.Name));
        Onnx.NodeProto[] inner = [.. choice.Attributes.All.Select(attribute => attribute.G.Node.Single())];
        Assert.EndsWith("z", inner[0].Input[0]);
        Assert.AreEqual("x", inner[1].Input[0]);
        Assert.AreNotEqual("t", inner[0].Output[0], "names inside branches are the call's own");
    }
}
