#version 330 core
// Light comes from the vertices; what is added per pixel is the texture, and the highlights of eyes and wet surfaces,
// which are smaller than a triangle.

#ifdef HAS_EMISSIVE_TEX
in vec3 light;
in vec3 shine;
in float alpha;
in vec2 uv;
struct Material { sampler2D emissive_texture; };
uniform Material material;
#else
noperspective in vec4 colour;
#endif
#ifdef USE_GLOSSY_MATERIAL
in vec3 to_camera;
in vec3 facing;
in float gloss;
#endif

out vec4 frag_color;

void main()
{
#ifdef HAS_EMISSIVE_TEX
    vec4 texel = texture(material.emissive_texture, uv);
    vec3 lit = texel.rgb * texel.rgb * light + shine; // squares and roots for sRGB's curve: 0.03 off at most, in the darks
    vec4 shown = vec4(sqrt(lit / (1.0 + 0.15 * lit)), texel.a * alpha);
#else
    vec4 shown = colour;
#endif
#ifdef USE_GLOSSY_MATERIAL
    if (shown.a < 0.0) { // the backdrop: half a step of noise hides the bands of a slow gradient
        float noise = fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715)))) - 0.5;
        shown = vec4(shown.rgb + noise / 255.0, 1.0);
    } else {
        // The reflected view against a square soft box at the key and a faint one at the fill.
        vec3 normal = normalize(facing);
        vec3 reflected = reflect(-normalize(to_camera), normal);
        float key = smoothstep(0.972, 0.990, dot(reflected, vec3(-0.4751, 0.5700, 0.6703)));
        float fill = smoothstep(0.90, 0.99, dot(reflected, vec3(0.7715, 0.1543, 0.6172)));
        shown.rgb += gloss * (0.85 * key + 0.12 * fill);
    }
#endif
    frag_color = shown;
}
