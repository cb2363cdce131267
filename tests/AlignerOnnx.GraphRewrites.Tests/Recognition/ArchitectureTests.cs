using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests;

[TestClass]
public sealed class ArchitectureTests
{
    /// <summary>Fingerprints begin with these bytes: with any others every adapter that was ever trained would be refused by its own model.</summary>
    [TestMethod]
    public void ToString_IsTheTextThatFingerprintsAreMadeOf() =>
        Assert.AreEqual("Architecture { HiddenSize = 128, Layers = 6, QueryHeads = 4, KeyValueHeads = 2, HeadSize = 32 }", new Architecture(128, 6, 4, 2, 32).ToString());
}
