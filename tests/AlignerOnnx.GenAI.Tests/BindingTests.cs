using System.Reflection;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>The binding that the build compiles stands in for the official package's assembly.</summary>
[TestClass]
public sealed class BindingTests
{
    /// <summary>The official assembly has this version and a key; a reference to a later version, or with another key, would not find it in a program that has the official package.</summary>
    [TestMethod]
    public void Reference_IsOneThatTheOfficialAssemblySatisfies()
    {
        AssemblyName binding = typeof(ChatModel).Assembly.GetReferencedAssemblies().Single(each => each.Name == "Microsoft.ML.OnnxRuntimeGenAI");
        Assert.AreEqual(new Version(0, 0, 0, 0), binding.Version);
        Assert.Contains(Convert.ToHexStringLower(binding.GetPublicKeyToken() ?? []), new[] { "", "596a4fc93f94795b" });
    }
}
