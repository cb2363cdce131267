using System.Text.RegularExpressions;
using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests;

/// <summary>Tests of rewrite rules in ONNX text. Weights may be references to data files that do not exist: no rule reads them.</summary>
internal static partial class RuleTest
{
    /// <summary>Asserts that a rule turns one graph into another.</summary>
    public static void Rewrites(string before, Action<OnnxModel> rule, string after)
    {
        OnnxModel model = OnnxText.Load(before);
        rule(model);
        AssertSame(OnnxText.Load(after), model);
    }

    /// <summary>Asserts that two graphs compute the same outputs by the same operators; see <see cref="CanonicalGraph"/>.</summary>
    public static void AssertSame(OnnxModel expected, OnnxModel found)
    {
        string text = CanonicalGraph.Of(expected);
        string other = CanonicalGraph.Of(found);
        Assert.AreEqual(text, other, $"\nexpected, in canonical form:\n{text}\nfound:\n{other}");
    }

    /// <summary>What is recognised of the only attention core of a model.</summary>
    public static Match<AttentionSite> Recognise(string text) => RecognisedModel.Of(OnnxText.Load(text)).Cores.Single().Match;

    /// <summary>The only attention site of a model.</summary>
    public static AttentionSite Site(string text)
    {
        Match<AttentionSite> match = Recognise(text);
        return match.Found ?? throw new AssertFailedException($"{match.Reason}: {match.Culprit}");
    }

    /// <summary>Asserts that the only attention core of a model is not recognised, why, and because of what.</summary>
    public static void Fails(string text, string reason, string culprit)
    {
        Match<AttentionSite> match = Recognise(text);
        Assert.AreEqual((reason, culprit), (match.Reason, match.Culprit));
    }

    /// <summary>The text with one part replaced, which must stand in it.</summary>
    public static string With(this string text, string part, string replacement) => text.Contains(part, StringComparison.Ordinal)
        ? text.Replace(part, replacement, StringComparison.Ordinal)
        : throw new ArgumentException($"'{part}' does not stand in the text.", nameof(part));

    /// <summary>A text in which nodes may read lists of integers as they stand, <c>Reshape (x, {0, -1, 4})</c>: each becomes a constant of the graph, which must have others.</summary>
    public static string WithLists(this string text)
    {
        SortedDictionary<string, string> constants = new(StringComparer.Ordinal);
        string named = List().Replace(text, list =>
        {
            string name = $"list{list.Value[1..^1].Replace(", ", "_", StringComparison.Ordinal).Replace('-', 'm')}";
            constants[name] = $"int64[{list.Value.Count(letter => letter == ',') + 1}] {name} = {list.Value}, ";
            return name;
        });
        IEnumerable<string> missing = constants.Values.Where(constant => !named.Contains(constant, StringComparison.Ordinal));
        return named.Insert(named.IndexOf('<', named.IndexOf("=>", StringComparison.Ordinal)) + 1, string.Concat(missing));
    }

    [GeneratedRegex(@"(?<!= )\{-?\d+(, -?\d+)*\}")]
    private static partial Regex List();
}
