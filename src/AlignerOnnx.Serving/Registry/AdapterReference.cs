using System.Globalization;
using System.Text.RegularExpressions;

namespace AlignerOnnx.Serving;

/// <summary>How clients name an adapter: <c>polite</c> (its current version), <c>polite@3</c> (one version) or <c>polite@prod</c> (an alias).</summary>
/// <param name="Name">The adapter.</param>
/// <param name="Selector">What stands behind the @; null for the current version.</param>
internal sealed partial record AdapterReference(string Name, string? Selector)
{
    internal static AdapterReference Parse(string text)
    {
        int at = text.LastIndexOf('@');
        return at < 0 ? new AdapterReference(text, null) : new AdapterReference(text[..at], text[(at + 1)..]);
    }

    /// <summary>The version number that the selector is; null where it is an alias or absent.</summary>
    internal int? Number => int.TryParse(Selector, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;

    internal static void RequireName(string? name, string param = "name")
    {
        if (name is null || !NamePattern().IsMatch(name))
        {
            throw ApiException.Invalid($"The adapter name '{name}' cannot be used; expected 1 to 128 letters, digits or . _ - / : with a letter or digit first.", param);
        }
    }

    internal static void RequireAlias(string? alias)
    {
        if (alias is null || !AliasPattern().IsMatch(alias))
        {
            throw ApiException.Invalid($"The alias '{alias}' cannot be used; expected 1 to 64 letters, digits or . _ - with a letter first.", "alias");
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();

    // A letter first, so that no alias looks like a version number.
    [GeneratedRegex(@"\A[A-Za-z][A-Za-z0-9._-]{0,63}\z", RegexOptions.CultureInvariant)]
    private static partial Regex AliasPattern();
}
