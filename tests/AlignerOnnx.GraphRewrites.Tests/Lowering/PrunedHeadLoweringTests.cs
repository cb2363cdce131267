using AlignerOnnx.GraphRewrites.Lowering;

namespace AlignerOnnx.GraphRewrites.Tests.Lowering;

/// <summary>A head that reads the last position alone reads all of them, whatever stands between it and that position, and between it and the logits.</summary>
[TestClass]
public sealed class PrunedHeadLoweringTests
{
    [TestMethod]
    [DataRow("last = Gather <axis = 1> (x, {-1})", DisplayName = "x[:, [-1]]")]
    [DataRow("gone = Gather <axis = 1> (x, minus_one) last = Unsqueeze (gone, {1})", DisplayName = "x[:, -1][:, None]")]
    [DataRow("one = Gather <axis = 1> (x, {-1}) last = Squeeze (one, {1})", DisplayName = "x[:, [-1]].squeeze(1)")]
    [DataRow("gone = Gather <axis = 1> (x, minus_one) last = Reshape (gone, {-1, 1, 8})", DisplayName = "x[:, -1].reshape(-1, 1, 8)")]
    [DataRow("gone = Gather <axis = 1> (x, {-1}) last = Identity (gone)", DisplayName = "behind an Identity")]
    [DataRow("last = Slice (x, {-1}, {9223372036854775807}, {1})", DisplayName = "x[:, -1:]")]
    public void TheLastPosition_IsNotPicked(string nodes) => Rewrites(nodes, "logits = MatMul (last, w)", "", "logits = MatMul (x, w)");

    [TestMethod]
    [DataRow("p = MatMul (FROM, w) logits = Mul (p, cap)", DisplayName = "a scale")]
    [DataRow("p = MatMul (FROM, w) logits = Mul (cap, p)", DisplayName = "a scale in front")]
    [DataRow("p = MatMul (FROM, w) d = Div (p, cap) t = Tanh (d) c = Mul (t, cap) logits = Cast <to = 1> (c)", DisplayName = "a soft cap")]
    [DataRow("p = MatMul (FROM, w) logits = Identity (p)", DisplayName = "another name")]
    public void WhatFollowsTheHead_Stays(string nodes) => Rewrites("last = Gather <axis = 1> (x, {-1})", nodes.With("FROM", "last"), "", nodes.With("FROM", "x"));

    [TestMethod]
    [DataRow("last = Gather <axis = 0> (x, {-1})", DisplayName = "the last row of the batch")]
    [DataRow("last = Gather <axis = 1> (x, {0})", DisplayName = "the first position")]
    [DataRow("last = Slice (x, {-2}, {9223372036854775807}, {1})", DisplayName = "the last two positions")]
    [DataRow("last = Slice (x, {-1}, {9223372036854775807}, {2})", DisplayName = "the last element")]
    [DataRow("last = Neg (x)", DisplayName = "every position")]
    public void WhatPicksSomethingElse_Stays(string nodes) => Rewrites(nodes, "logits = MatMul (last, w)", nodes, "logits = MatMul (last, w)");

    [TestMethod]
    [DataRow("last = Gather <axis = 1> (x, {-1}) logits = Neg (last)", DisplayName = "logits of no projection")]
    [DataRow("logits = Mul (cap, minus_one)", DisplayName = "logits of constants")]
    [DataRow("logits = MatMul (x, w)", DisplayName = "a head that reads an input")]
    public void AGraphWithoutSuchAHead_Stays(string nodes) => Rewrites(nodes, "", nodes, "");

    [TestMethod]
    public void AGraphWithoutLogits_Stays()
    {
        const string text = "g (float[b, s, 8] x) => (float[b, 1, 8] y) <int64[1] last = {-1}> { y = Gather <axis = 1> (x, last) }";
        RuleTest.Rewrites(text, model => PrunedHeadLowering.Apply(model.Graph), text);
    }

    private static void Rewrites(string picked, string head, string pickedAfter, string headAfter) =>
        RuleTest.Rewrites(Text(picked, head), model => PrunedHeadLowering.Apply(model.Graph), Text(pickedAfter, headAfter));

    private static string Text(string picked, string head) => $$"""
        g (float[b, s, 8] x) => (float[b, 1, 100] logits) <float[8, 100] w = ["location": "w"], float cap = {30}, int64 minus_one = {-1}> { {{picked}} {{head}} }
        """.WithLists();
}
