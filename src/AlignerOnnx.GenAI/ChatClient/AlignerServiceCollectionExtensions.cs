using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace AlignerOnnx.GenAI;

/// <summary>Registers the chat client with a program's services.</summary>
public static class AlignerServiceCollectionExtensions
{
    /// <summary>
    /// Registers an <see cref="IChatClient"/> on one model, and the <see cref="ChatModel"/> itself, which loads and unloads adapters; <see cref="ChatOptions.ModelId"/> chooses the
    /// adapter of each request. The model is loaded when one of them is first asked for and freed with the container.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="modelFolder">The GenAI model folder; a patched one where there are adapters.</param>
    /// <param name="configure">Sets options; null for the defaults.</param>
    /// <returns>The services, for further calls.</returns>
    public static IServiceCollection AddAlignerChatClient(this IServiceCollection services, string modelFolder, Action<AlignerChatClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(modelFolder);
        AlignerChatClientOptions options = new();
        configure?.Invoke(options);
        string folder = Path.GetFullPath(modelFolder);
        string baseName = options.BaseName ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(folder));
        services.AddSingleton(_ => Load(folder, options));
        services.AddSingleton<IChatClient>(provider => new AlignerChatClient(provider.GetRequiredService<ChatModel>(), baseName));
        return services;
    }

    private static ChatModel Load(string folder, AlignerChatClientOptions options)
    {
        ChatModel model = new(folder, options.Model);
        try
        {
            foreach ((string name, string file) in options.Adapters)
            {
                model.LoadAdapter(name, file);
            }
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
